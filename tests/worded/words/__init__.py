"""The only domain of them."""
