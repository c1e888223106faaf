"""Serving: HTTP in, batches formed, engines in processes of their own."""
