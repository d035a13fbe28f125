"""What customers ask, as the support desk's application keeps it in its database."""
