"""Vector indexes: exact search in memory, and Endee, guarded."""
