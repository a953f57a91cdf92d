"""What commands, pages and scrapes read; nothing here writes."""
