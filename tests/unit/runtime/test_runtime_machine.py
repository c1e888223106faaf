"""The fingerprint names what changes how a model runs."""

import dataclasses
import importlib.metadata
import json

from burnish.runtime import fingerprint
from burnish.runtime.machine import installed_version


def test_fingerprint_holds_facts():
    machine = fingerprint()
    assert machine.cpu
    assert machine.cores >= 1
    assert machine.memory_bytes > 2**28
    assert machine.packages["onnxruntime"] == importlib.metadata.version("onnxruntime")
    json.dumps(dataclasses.asdict(machine))
    assert machine.cpu in str(machine)


def test_bytes_are_summed_exactly_only_with_a_dot_product_instruction():
    plain = dataclasses.replace(fingerprint(), flags=("avx2",))
    assert not plain.has_int8_dot
    assert dataclasses.replace(plain, flags=("avx2", "avx512_vnni")).has_int8_dot


def test_absent_package_has_no_version():
    assert installed_version("surely-not-installed") is None
