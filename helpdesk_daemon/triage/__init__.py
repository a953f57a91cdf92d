"""What we decide: category by vote, then the routing rules. Pure; vectors in, decisions out."""
