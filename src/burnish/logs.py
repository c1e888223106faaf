"""Structured logs over the standard library's logging: JSON lines for machines, short lines for people.

A library that is merely imported stays quiet: only the command line and worker processes call `configure`.
"""

import logging
import sys
from typing import cast

import structlog

from burnish.errors import ConfigError, nearest

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")

_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def configure(*, level: str = "info", format: str = "text") -> None:  # noqa: A002 - the usual word
    """Send the logs of this process to standard error.

    Args:
        level: Lowest level written: debug, info, warning or error.
        format: ``json`` for machines, ``text`` for people.

    Raises:
        ConfigError: The level or the format is another word.
    """
    for what, word, known in (("log level", level, LEVELS), ("log format", format, FORMATS)):
        if word not in known:
            raise ConfigError(f"unknown {what} {word!r}", hint=nearest(word, known))
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logger = logging.getLogger("burnish")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger that takes an event and its facts: ``log.info("loaded", model="digits")``.

    Args:
        name: The module's ``__name__``, so that it is a child of the logger ``burnish``.
    """
    return cast(
        "structlog.stdlib.BoundLogger",
        structlog.wrap_logger(
            logging.getLogger(name),
            processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
            wrapper_class=structlog.stdlib.BoundLogger,
        ),
    )
