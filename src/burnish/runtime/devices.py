"""Names of devices: a kind, and for one of several a number."""

from burnish.errors import UnsupportedDeviceError


def kind_of(device: str) -> str:
    """Return a device's name without the number that chooses among several.

    >>> kind_of("cuda:1")
    'cuda'
    """
    return device.partition(":")[0]


def index_of(device: str) -> int:
    """Return the number that chooses among several devices of one kind; 0 without one.

    >>> index_of("cuda:1")
    1

    Raises:
        UnsupportedDeviceError: What follows the colon is no number, or there is one processor only.
    """
    kind, colon, number = device.partition(":")
    if colon and not number.isdecimal():
        raise UnsupportedDeviceError(
            f"device {device!r} has no number behind its colon", hint="such as cuda:1"
        )
    if kind == "cpu" and int(number or 0):
        raise UnsupportedDeviceError(f"there is no device {device!r}: the processor counts as one")
    return int(number or 0)
