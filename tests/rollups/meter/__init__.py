"""The only domain of the roll-ups."""
