"""What may be shown of personal data."""
