"""A small shop: customers, products, their orders and what they clicked. Every row is made up, from a seed."""
