"""Products and chains are what they claim to be: of their dtype, and with all their operators."""

import numpy as np
import pytest

from burnish.errors import BackendError
from burnish.evaluate.chains import chain_graph, check_all_run, engine_chain
from burnish.evaluate.products import ENGINES, MEASURED_DTYPES, engine_products, product_graph
from burnish.hardware.probe import numpy_product
from burnish.runtime.session import open_session


@pytest.mark.parametrize("dtype", MEASURED_DTYPES)
def test_every_engine_multiplies_or_says_why_not(dtype):
    products, refused = engine_products(dtype, 1)
    assert {*products, *refused} == set(ENGINES)
    assert all(refused.values())
    for product in products.values():
        product(4)()


def test_an_engine_that_multiplies_float64_in_float32_is_found_out():
    session = open_session(product_graph(64, "float64"), backend="openvino")
    x = np.random.default_rng(3).standard_normal((64, 64))
    weights = open_session(product_graph(64, "float64"), backend="onnxruntime").run({"x": np.eye(64)})["y"]
    exact = np.abs(session.run({"x": x})["y"] - x @ weights).max() < 1e-10
    assert ("openvino" in engine_products("float64", 1)[0]) == exact


def test_an_integer_product_is_exact():
    session = open_session(product_graph(32, "int8"), backend="onnxruntime")
    weights = session.run({"x": np.eye(32, dtype=np.uint8)})["y"]
    x = np.random.default_rng(3).integers(0, 256, (32, 32)).astype(np.uint8)
    np.testing.assert_array_equal(session.run({"x": x})["y"], x.astype(np.int32) @ weights)
    assert np.abs(weights).max() <= 64


def test_numpy_multiplies_in_the_dtype_it_is_asked_for():
    assert np.asarray(numpy_product(4, np.float64)()).dtype == np.float64


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_runs_every_link_of_a_chain(engine):
    chain = engine_chain(engine, 1)
    (y,) = chain(24)().values()
    expected = np.full((1, 8), 0.5, np.float32)
    for _ in range(24):
        expected = np.sin(expected)
    np.testing.assert_allclose(y, expected, rtol=1e-5)


def test_a_chain_that_an_engine_fuses_is_refused():
    with open_session(chain_graph(24, "Tanh"), backend="openvino") as session:
        assert len(session.placement()) < 24
        with pytest.raises(BackendError, match="fuses or folds"):
            check_all_run(session, 24)
