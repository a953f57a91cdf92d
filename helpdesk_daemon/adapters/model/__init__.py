"""The embedding model and the second opinions: exported, run, fitted, kept."""
