"""The installed command as a subprocess, as an operator meets it."""
