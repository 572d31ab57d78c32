"""What happens in videos: intervals with a label, and trials; numpy and the standard library."""
