"""Schedulers, one a file. Each names its paper and the diffusers class that it is."""
