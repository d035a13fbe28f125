"""A shop whose application has a database."""
