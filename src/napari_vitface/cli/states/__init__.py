"""The command `states`: a module for each of those behind it."""
