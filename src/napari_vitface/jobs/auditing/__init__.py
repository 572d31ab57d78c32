"""The audit job: which labels are probably wrong."""
