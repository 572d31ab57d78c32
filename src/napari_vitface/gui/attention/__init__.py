"""The Attention section: maps of the frame on screen, grids, players, exports."""
