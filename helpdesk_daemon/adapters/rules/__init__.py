"""routing.toml: read into values, told by line what is wrong, watched, edited."""
