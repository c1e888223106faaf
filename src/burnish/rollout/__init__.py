"""Rollout: who gets which version, on what evidence, and how fast it is undone."""
