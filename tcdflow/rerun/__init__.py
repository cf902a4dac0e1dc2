"""Making a run again from what it left, and saying how near that came. Nothing here imports torch before it must."""
