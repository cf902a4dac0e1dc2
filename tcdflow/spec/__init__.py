"""What a run is: typed data, composed from Hydra overrides, with its cross-field rules. No torch here."""
