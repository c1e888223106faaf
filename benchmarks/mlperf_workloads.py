"""The models of MLPerf as workloads in INT8: ResNet-50 of 224 x 224 pixels, and BERT-Large on SQuAD 1.1.

Published results of both are of INT8 (BERT on the H100 of 8-bit floating point, whose peak is the same).
"""

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np

from burnish.graph import ComputeGraph
from burnish.graph.capture import capture
from burnish.graph.fusion import fuse
from burnish.hardware.whatif import changed
from burnish.hardware.work import Work, Workload, workload
from burnish.testing import networks
from burnish.testing.networks import Encoder

BATCH = 1024
"""Samples of one call offline.

As in NVIDIA's submissions of BERT on the A100: closed/NVIDIA/configs/bert/Offline/__init__.py of v2.0.
"""
TOKENS = 172
"""Mean length of a sequence of SQuAD, of at most 384 tokens: submissions leave out the padding.

From an example of https://github.com/graphcore/PopRT for packed BERT: "average sequence length in squad is ~172".
"""
LAYERS = 24

Tally = Counter[Work]
"""Operators with how often each occurs."""


def resnet50(batch: int = BATCH) -> Tally:
    """Return the operators of ResNet-50."""
    return _tally(workload(_fused_resnet50(), batch=batch))


def bert_large(batch: int = BATCH, *, tokens: int = TOKENS) -> Tally:
    """Return the operators of BERT-Large: those of an encoder without layers, and those of one layer 24 times."""
    bare, single = (_tally(_encoder(layers, batch, tokens)) for layers in (0, 1))
    layer = single - bare
    return bare + Counter({work: LAYERS * count for work, count in layer.items()})


def operations(tally: Tally) -> int:
    """Return the operations of one call; a multiply-add is two."""
    return sum(work.flops * count for work, count in tally.items())


@cache
def _fused_resnet50() -> ComputeGraph:
    return fuse(networks.graph("resnet50"), target="onnxruntime").graph


def _encoder(layers: int, batch: int, tokens: int) -> Workload:
    # two words are enough: the time of a look-up does not depend on how many there are
    module = Encoder(layers=layers, hidden=1024, heads=16, vocabulary=2, positions=tokens).eval()
    inputs = {name: np.ones((2, tokens), np.int64) for name in ("tokens", "mask")}
    return workload(fuse(capture(module, inputs, output_names=["embedding"])).graph, batch=batch)


def _tally(listed: Workload) -> Tally:
    if listed.uncosted:
        raise ValueError(f"operators without a cost rule: {listed.uncosted}")
    works = changed(listed, dtype="int8").works
    return Counter(
        replace(work, name=work.op, index=0, model_bytes=0) for work in works
    )  # equal ones are one
