"""What sets of images are worth: conditions of sweeps compared with each other and with a reference."""
