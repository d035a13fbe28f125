"""Assets written by hand, whose values are no tables."""
