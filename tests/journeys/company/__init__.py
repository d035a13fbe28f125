"""Another company's code location: its own package of declarations behind the public door."""
