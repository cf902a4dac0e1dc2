"""Data of distillations, a file each: where the examples come from."""
