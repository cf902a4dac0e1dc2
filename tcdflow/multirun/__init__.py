"""Sweeps that Hydra drives, by its sweepers and launchers."""
