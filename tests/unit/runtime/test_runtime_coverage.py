"""The measured table of operators answers who has one."""

from burnish.runtime.coverage import Passed, coverage, engines_with
from burnish.runtime.resolve import backend_names


def test_common_operators_are_had_by_every_quick_engine():
    for operator in ("Relu", "MatMul", "Softmax", "Concat"):
        assert {"onnxruntime", "openvino", "torch"} <= set(engines_with(operator))


def test_an_engine_that_passed_no_test_is_not_named():
    lacking = {
        (operator, engine)
        for operator in coverage().operators
        for engine, counts in coverage().of(operator).items()
        if not counts.passed
    }
    assert lacking
    assert not [pair for pair in lacking if pair[1] in engines_with(pair[0])]


def test_the_largest_share_comes_first():
    for operator in coverage().operators:
        counts = coverage().of(operator)
        shares = [counts[name].passed / counts[name].asked for name in engines_with(operator)]
        assert shares == sorted(shares, reverse=True)


def test_domains():
    assert coverage().of("Relu", "ai.onnx") == coverage().of("Relu")
    assert engines_with("Relu", "nobody.knows") == []
    assert engines_with("Frobnicate") == []


def test_table_is_plausible():
    table = coverage()
    assert set(table.engines) <= set(backend_names())
    assert all(table.engines.values())
    assert len(table.operators) > 150
    for operator in table.operators:
        for counts in table.of(operator).values():
            assert isinstance(counts, Passed)
            assert 0 <= counts.passed <= counts.asked
            assert counts.asked > 0
