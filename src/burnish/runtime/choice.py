"""Which engines are meant when they are compared."""

from burnish.runtime.resolve import backend_names, load_backends


def quick_backends() -> list[str]:
    """Return the back ends that open a graph without compiling it for long, preferred ones first."""
    return [name for name, backend in load_backends().items() if not backend.spec.compiles]


def chosen_backends(text: str | None) -> list[str]:
    """Read a choice of engines: names separated by commas, ``all``, or None for the quick ones.

    >>> chosen_backends("torch,openvino")
    ['torch', 'openvino']
    """
    if text is None:
        return quick_backends()
    return backend_names() if text == "all" else text.split(",")
