"""A shop in a database."""
