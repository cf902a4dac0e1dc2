"""From a user's image to what a pipeline is given: loaded, brought to size, made a control image."""
