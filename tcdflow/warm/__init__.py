"""What a command needs to have a warm process run it: found, started, and spoken to in milliseconds.

Nothing here imports the rest of tcdflow, or more of Python than it needs. The process is :mod:`tcdflow.cli.serve`.
"""
