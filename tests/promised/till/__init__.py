"""The only domain of the promises."""
