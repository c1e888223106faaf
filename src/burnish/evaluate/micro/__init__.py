"""Small graphs of one kind of operator each, whose measured times tell what the operators cost."""

from burnish.evaluate.micro.grid import Micro, design

__all__ = ["Micro", "design"]
