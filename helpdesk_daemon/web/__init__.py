"""The REST API and the pages, served by the daemon itself or beside it."""
