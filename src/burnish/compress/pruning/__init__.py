"""Narrower networks: which parts go together, which matter least, and how far to go before it hurts."""
