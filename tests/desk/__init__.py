"""A code location whose dataset is read from an address."""
