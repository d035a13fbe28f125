"""Customers, from an address that tests serve."""
