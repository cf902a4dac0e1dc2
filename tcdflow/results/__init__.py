"""Results of runs and sweeps for programs and notebooks: images with their settings, filtered, shown, as tables."""
