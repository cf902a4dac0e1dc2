"""Kinds of adapters, one a file."""
