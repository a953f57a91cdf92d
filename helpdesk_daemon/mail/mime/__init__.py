"""From bytes to parts: a MIME reader that never gives up."""
