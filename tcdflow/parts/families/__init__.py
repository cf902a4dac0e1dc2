"""Families of bases, one a file."""
