"""A graph as a picture: SVG for a document, one self-contained page to look around in, DOT for Graphviz."""

from burnish.graph.picture.draw import draw

__all__ = ["draw"]
