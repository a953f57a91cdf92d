"""Whether routing still goes well: pure statistics over what was decided and what people said of it."""
