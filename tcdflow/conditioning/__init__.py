"""From a user's picture to what a pipeline is given: loaded, brought to size, made a control picture."""
