"""Quantities are short to read and keep their size."""

import math

import pytest

from burnish.units import format_bytes, format_count, format_ms


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1 << 20, "1.0 MiB"),
        (5 << 40, "5.0 TiB"),
        (5 << 50, "5120.0 TiB"),
        (-2048, "-2.0 KiB"),
    ],
)
def test_bytes(n, text):
    assert format_bytes(n) == text


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (1.5e9, "1.5G"), (2e12, "2.0T"), (2e15, "2000.0T")],
)
def test_counts(n, text):
    assert format_count(n) == text


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0 us"), (0.5, "500 us"), (1, "1 ms"), (12.345, "12.3 ms"), (60_000, "60 s")]
)
def test_durations(ms, text):
    assert format_ms(ms) == text


@pytest.mark.parametrize("write", [format_bytes, format_count, format_ms])
def test_what_is_no_number_is_still_text(write):
    assert "nan" in write(math.nan)
    assert "inf" in write(math.inf)
