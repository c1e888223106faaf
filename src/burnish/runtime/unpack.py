"""Write a model with its weights in a file beside it: ``python -m burnish.runtime.unpack MODEL OUT``."""

import sys
from pathlib import Path

from burnish.graph import ComputeGraph
from burnish.runtime.lean import save_apart

if __name__ == "__main__":
    save_apart(ComputeGraph(Path(sys.argv[1])), Path(sys.argv[2]))
