"""The passes themselves, one family a module; each module lists its own in ``PASSES``."""
