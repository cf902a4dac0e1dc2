"""From a spec and its local files to a diffusers pipeline. Importing these modules imports torch."""
