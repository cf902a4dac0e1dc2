"""Methods of distillation, a file each: what the student learns to jump to."""
