"""Code that depends on private or undocumented parts of a library: one module for each, with the reason."""
