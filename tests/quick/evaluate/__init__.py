"""What sets of images are compared by, without torch."""
