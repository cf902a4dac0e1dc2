"""Sweeps: planned as Hydra would, frozen, resumed by content, and told to a person."""
