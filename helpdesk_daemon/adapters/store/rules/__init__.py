"""Rules that were in use, and decided mails as rules read them."""
