"""Reruns a recorded run and compares the pixels. Torch is imported only when a run starts."""
