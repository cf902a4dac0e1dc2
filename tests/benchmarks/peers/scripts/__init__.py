"""Scripts that are compared, run by a Python of their own."""
