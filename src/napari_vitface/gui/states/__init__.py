"""States in the window: frames beside each other."""
