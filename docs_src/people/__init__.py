"""People whose contract does not say how they are made."""
