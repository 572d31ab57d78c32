"""What is measured of a video frame by frame: motion, the pupil, what keypoints say over time."""
