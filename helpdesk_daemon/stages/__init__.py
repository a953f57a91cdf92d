"""The three stages and the watcher; joined only by the database."""
