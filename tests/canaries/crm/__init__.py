"""People, whose data must not be found where it does not belong."""
