"""Events of the video on screen: drawn, edited and kept; the timeline below the canvas."""
