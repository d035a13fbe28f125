"""The only domain of the oddities."""
