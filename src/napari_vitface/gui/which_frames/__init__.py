"""Frames worth labelling and labels worth a second look, as the window shows them."""
