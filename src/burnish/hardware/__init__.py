"""What devices are and cost, and what this machine really does."""
