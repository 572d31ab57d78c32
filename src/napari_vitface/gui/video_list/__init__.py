"""The list of videos that a job goes through: model, what is kept of it, the queue, its dock."""
