"""A surface learned from scattered measurements."""

import numpy as np
import pytest

from burnish.hardware.fitting import fit, quantiles


def _bent(features):
    return 0.7 * features[:, 0] - 0.3 * features[:, 1] ** 2 + np.sin(2 * features[:, 0])


@pytest.fixture(scope="module")
def learned():
    features = np.random.default_rng(0).uniform(-2, 2, (120, 2))
    return features, fit(features, _bent(features))


def test_it_recovers_a_smooth_surface_between_its_points(learned):
    _, surface = learned
    rows = np.random.default_rng(1).uniform(-1.8, 1.8, (200, 2))
    off = np.abs(surface(rows) - _bent(rows))
    assert np.median(off) < 0.05 * _bent(rows).std()


def test_beyond_its_points_the_nearest_edge_counts(learned):
    features, surface = learned
    edge = features.max(axis=0)
    far = surface(np.array([edge * 100, edge]))
    assert far[0] == pytest.approx(far[1])


def test_left_out_errors_are_larger_than_those_of_the_fit_but_honest(learned):
    features, surface = learned
    fitted = np.abs(surface(features) - _bent(features))
    left_out = np.abs(surface.left_out)
    assert left_out.mean() > fitted.mean()
    rows = np.random.default_rng(2).uniform(-2, 2, (200, 2))
    fresh = np.abs(surface(rows) - _bent(rows))
    assert 0.2 < np.median(left_out) / np.median(fresh) < 5


def test_noise_widens_what_is_left_out():
    random = np.random.default_rng(3)
    features = random.uniform(-2, 2, (150, 2))
    noisy = fit(features, _bent(features) + random.normal(0, 0.5, 150))
    low, high = quantiles(noisy.left_out, (0.05, 0.95))
    assert 0.5 < (high - low) / (2 * 1.64 * 0.5) < 2


def test_one_measurement_is_too_few():
    with pytest.raises(ValueError, match="at least 2"):
        fit(np.zeros((1, 2)), np.zeros(1))


def test_quantiles_of_few_values_reach_their_ends():
    assert quantiles(np.array([3.0, 1.0, 2.0]), (0.05, 0.95)) == (1.0, 3.0)
