"""Quantities as people write and read them.

Inside burnish a unit lives in the name (``max_wait_ms``, ``peak_bytes``); these functions are for the edge.
"""

_BYTE_STEPS = ("B", "KiB", "MiB", "GiB", "TiB")


def format_bytes(n: float) -> str:
    """Write a number of bytes with a binary unit.

    >>> format_bytes(512), format_bytes(2_621_440)
    ('512 B', '2.5 MiB')
    """
    value = float(n)
    for step in _BYTE_STEPS[:-1]:
        if abs(value) < 1024:
            return f"{value:.0f} B" if step == "B" else f"{value:.1f} {step}"
        value /= 1024
    return f"{value:.1f} {_BYTE_STEPS[-1]}"


def format_count(n: float) -> str:
    """Write a large count with a decimal prefix.

    >>> format_count(11_173_962), format_count(950)
    ('11.2M', '950')
    """
    value = float(n)
    for prefix in ("", "k", "M", "G"):
        if abs(value) < 1000:
            return f"{value:.0f}" if prefix == "" else f"{value:.1f}{prefix}"
        value /= 1000
    return f"{value:.1f}T"


def format_ms(ms: float) -> str:
    """Write a duration given in milliseconds, with three significant figures.

    >>> format_ms(0.0421), format_ms(1532.0)
    ('42.1 us', '1.53 s')
    """
    if ms < 1:
        return f"{ms * 1000:.3g} us"
    return f"{ms:.3g} ms" if ms < 1000 else f"{ms / 1000:.3g} s"
