"""What arrived: raw bytes in, a `Message` and answers about it out. Pure; imports nothing but errors."""
