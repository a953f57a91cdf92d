"""What operators do to a database: copy, forget, compare, mend."""
