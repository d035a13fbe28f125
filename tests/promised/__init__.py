"""Sales that promise how soon they can be read."""
