"""A run as a plain diffusers script that makes its pixels: the pipeline package's steps, in its order, as text."""
