"""The Predict section and the run behind it."""
