"""The Trajectories dock: keypoints over time."""
