"""Traces of videos in the window: what is measured, where, and what it looks like."""
