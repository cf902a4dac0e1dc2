"""The run directory: atomic writes, run.json, metadata inside pictures, and reading them back. No torch here."""
