"""The registry's alias ``primary``, as a rollout may move it."""

from burnish.errors import ConflictError
from burnish.registry import Registry

PRIMARY = "primary"


class RegistryAlias:
    """The version that the registry calls primary, moved only if nobody else has moved it meanwhile.

    Args:
        registry: Holds the alias.
        model: Name of the model.
    """

    def __init__(self, registry: Registry, model: str) -> None:
        self._registry = registry
        self._model = model
        found = registry.alias(model, PRIMARY)
        self._version = str(found.version) if found else ""
        self._generation = found.generation if found else 0

    def version(self) -> str:
        """Return the version that the alias pointed to when it was read; empty when there was no alias."""
        return self._version

    def move(self, version: str) -> None:
        """Point the alias to a version; moving it to where it points is no move.

        Raises:
            ConflictError: Somebody has moved it since it was read.
        """
        if version == self._version:
            return
        moved = self._registry.set_alias(
            self._model, PRIMARY, version, expect=self._generation, actor="rollout"
        )
        self._version, self._generation = str(moved.version), moved.generation

    def require(self, *versions: str) -> None:
        """Refuse to go on when the alias points elsewhere.

        Raises:
            ConflictError: It points to none of the versions.
        """
        if self._version and self._version not in versions:
            raise ConflictError(
                f"{self._model}@{PRIMARY} is version {self._version}, the server's primary is {versions[0]}",
                hint=f"point the alias and the server to one version first: burnish registry alias {self._model}",
            )
