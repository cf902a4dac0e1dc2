"""``python -m tcdflow``."""

from tcdflow.cli import main

main()
