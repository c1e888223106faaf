"""One compact trainer, used by pruning, QAT, search and learning alike."""
