"""The run directory: atomic writes, run.json, metadata inside images, and reading them back. No torch here."""
