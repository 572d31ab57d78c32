"""Features of frames: how each kind is computed, and the file that holds them."""
