"""Accounts, whose database sends its changes."""
