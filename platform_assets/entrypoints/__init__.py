"""Doors: the command line. Nobody imports them."""
