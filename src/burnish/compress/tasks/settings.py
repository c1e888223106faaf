"""Settings of a task in one line: ``FIRST,key=value,key=value``."""

from typing import TypeVar

from burnish.config import load_config
from burnish.errors import ConfigError

T = TypeVar("T")


def settings_from(cls: type[T], text: str, *, first: str, task: str) -> T:
    """Read the settings behind a task's name.

    Args:
        cls: Configuration.
        text: Such as ``folder/of/model,max_length=64``.
        first: Field that the part without a key belongs to.
        task: Name of the task, for the error's text.

    Raises:
        ConfigError: A part has no key, or the key or its value is not one of the configuration's.

    >>> from burnish.compress.tasks.text_task import TextConfig
    >>> settings_from(TextConfig, "bert,max_length=64", first="model", task="sst2")
    TextConfig(model='bert', max_length=64, dropout=0.1)
    """
    head, *parts = text.split(",")
    flags = {first: head}
    for part in parts:
        key, found, value = part.partition("=")
        if not found:
            raise ConfigError(
                f"task {task!r}: {part!r} is not KEY=VALUE",
                hint=f"write {task}:{first.upper()},key=value; for paths with a comma, write a task.py",
            )
        flags[key.strip()] = value.strip()
    try:
        return load_config(cls, flags=flags)
    except ConfigError as error:
        raise ConfigError(f"task {task!r}: {error.message}", hint=error.hint) from error
