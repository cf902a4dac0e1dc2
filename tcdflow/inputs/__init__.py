"""Input images: decoded as the eye sees them, brought to the size of a run, masks made of them, and warnings."""
