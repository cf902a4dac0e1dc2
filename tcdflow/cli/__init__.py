"""The command line: one short file a verb."""

from tcdflow.cli.main import main

__all__ = ["main"]
