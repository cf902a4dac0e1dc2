"""The page to look at images with: read from run directories and sweeps, written as one file. No torch, no Hydra."""
