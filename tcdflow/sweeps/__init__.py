"""Sweeps: planned and frozen before the first image, run on a warm engine, resumed by content."""
