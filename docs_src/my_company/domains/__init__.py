"""What my company has: one folder a domain, one module a dataset."""
