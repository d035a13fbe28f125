"""A domain by month, of which one month may be red."""
