"""An email helpdesk daemon: every mail becomes one ticket or one reply on its ticket, once."""

__version__ = "0.1.0"
