"""A run drawn in the terminal, from its local files, while it runs or afterwards."""
