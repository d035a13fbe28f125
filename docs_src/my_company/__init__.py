"""A package of somebody else's, with datasets of its own."""
