"""Everything that knows Hydra: composing configs from overrides, guarding them, and where values come from."""
