"""The Correct section: projects, labels, editing on the canvas, keys."""
