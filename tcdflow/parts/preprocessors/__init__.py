"""Preprocessors of control images, one a file."""
