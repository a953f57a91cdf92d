"""Settings become adapters and values; nothing runs here."""
