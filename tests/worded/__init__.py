"""Datasets of which any text can be read, and one without a key of its own."""
