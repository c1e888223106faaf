"""Mixed precision: what each group of nodes suffers and gains from fewer bits decides which of them get those."""

from burnish.compress.mixed.config import MixedConfig
from burnish.compress.mixed.groups import Group
from burnish.compress.mixed.search import MixedResult, Point, search_mixed
from burnish.compress.mixed.sensitivity import Effect, Scan

__all__ = ["Effect", "Group", "MixedConfig", "MixedResult", "Point", "Scan", "search_mixed"]
