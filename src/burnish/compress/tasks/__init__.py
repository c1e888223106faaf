"""Ready tasks, found by the entry-point group ``burnish.tasks``."""
