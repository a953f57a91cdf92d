"""Who or what wrote a mail, and so what it may cause."""
