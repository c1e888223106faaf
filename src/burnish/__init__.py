"""Take a trained network to a fast, small, versioned, safely rolled-out service."""
