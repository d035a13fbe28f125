"""Datasets of shapes that the small world does not have."""
