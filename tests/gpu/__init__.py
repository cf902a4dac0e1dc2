"""What a GPU changes: run by ``make gpu`` on one, and without CUDA on the stand-in of a card."""
