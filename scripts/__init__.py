"""Commands for those who develop tcdflow; they are not part of the package."""
