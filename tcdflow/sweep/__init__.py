"""Sweeps: planned and frozen before the first picture, run on a warm engine, resumed by content."""
