"""From a spec and its local files to a diffusers pipeline. Importing most of these modules imports torch."""
