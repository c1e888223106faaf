"""The Open Inference Protocol v2 as data: requests, responses, and how errors are told."""
