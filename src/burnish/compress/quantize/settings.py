"""Which settings of a scheme mean something to which method: one that does not is refused, never ignored."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

from burnish.compress.quantize.scheme import Method, QuantScheme
from burnish.errors import ConfigError

_ANY = frozenset(("method", "keep_float", "keep_ends_float"))
_CALIBRATED = frozenset(
    ("calibration", "percentile", "calibration_bins", "samples", "activation", "equalize", "bias_correction")
)
_USED: Mapping[Method, frozenset[str]] = {
    "static": _ANY | _CALIBRATED | {"per_channel", "reduce_range", "embedding_bits"},
    "dynamic": _ANY | {"per_channel", "reduce_range", "weight_bits", "embedding_bits"},
    "weight-only": _ANY | {"per_channel", "weight_bits", "embedding_bits"},
    "float16": _ANY,
    "bfloat16": _ANY,
}


def check_settings(scheme: QuantScheme, methods: Sequence[Method] = ()) -> None:
    """Raise a `ConfigError` when a setting has no meaning for the scheme's method.

    Args:
        scheme: Settings.
        methods: Those that the settings serve instead of the scheme's own; each must mean something to one of them.

    >>> check_settings(QuantScheme(method="dynamic", calibration="kl"))
    Traceback (most recent call last):
    ...
    burnish.errors.ConfigError: calibration='kl' means nothing to the method dynamic (leave it out, or take static)
    """
    methods = methods or (scheme.method,)
    for name in _unused(scheme, methods[0]):
        if any(name in _USED[method] for method in methods):
            continue
        readers = [method for method, used in _USED.items() if name in used]
        plural = "s" if len(methods) > 1 else ""
        raise ConfigError(
            f"{name}={getattr(scheme, name)!r} means nothing to the method{plural} {' and '.join(methods)}",
            hint=f"leave it out, or take {' or '.join(readers)}",
        )


def with_method(scheme: QuantScheme, method: Method) -> QuantScheme:
    """Return a scheme for another method, without the settings that mean nothing to that.

    >>> with_method(QuantScheme(calibration="kl", embedding_bits=4), "dynamic").embedding_bits
    4
    """
    defaults = QuantScheme()
    changes = {name: getattr(defaults, name) for name in _unused(scheme, method)}
    return replace(scheme, method=method, **changes)


def _unused(scheme: QuantScheme, method: Method) -> list[str]:
    defaults, used = QuantScheme(), _USED[method]
    return [
        field.name
        for field in fields(QuantScheme)
        if field.name not in used and getattr(scheme, field.name) != getattr(defaults, field.name)
    ]
