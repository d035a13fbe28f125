"""A shop: sales that set bad rows aside, ledger lines that refuse them, and what is made of both."""
