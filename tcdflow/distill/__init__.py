"""Distillation: from a base, data and a method to a LoRA for few steps, exactly resumable."""
