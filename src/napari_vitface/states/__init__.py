"""From a face in a video to the state that its owner is in."""
