"""The new words of a mail, apart from quotes, signatures and noise."""
