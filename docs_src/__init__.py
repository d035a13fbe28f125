"""Programs of the documentation: the tests run them, and the pages show them as they are."""
