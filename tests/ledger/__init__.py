"""A code location of tables that are kept like a database's, in both formats."""
