"""Tools for whoever develops or measures the daemon; not part of the wheel."""
