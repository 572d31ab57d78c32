"""The suggest job: which frames to label."""
