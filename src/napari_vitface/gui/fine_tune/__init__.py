"""The Fine-tune section: what will be trained, the run, the verdict."""
