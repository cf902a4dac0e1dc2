"""What a GPU changes: run on one, and in small on a CPU, by ``make gpu``."""
