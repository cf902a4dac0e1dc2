"""Sweeps as a whole: those that tcdflow plans, and those that Hydra's sweepers and launchers drive."""
