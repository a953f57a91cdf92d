"""What the daemon knows of its own decisions, and what people should be told of them."""
