"""Sending by SMTP: connections that are kept, what is said on them, and what a server would take."""
