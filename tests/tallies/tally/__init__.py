"""The only domain of the tallies."""
