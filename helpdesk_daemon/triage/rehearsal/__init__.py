"""Rules looked at before they count: what is wrong, what never hits, what would have gone elsewhere."""
