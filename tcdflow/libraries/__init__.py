"""What leans on private or unruly parts of a library: one module a library, each with the reason."""
