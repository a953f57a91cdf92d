"""What the API, the pages and the console write, and who may."""
