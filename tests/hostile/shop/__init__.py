"""A shop whose texts are markup."""
