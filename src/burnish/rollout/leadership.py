"""One controller a model, without trusting anybody's wall clock.

The lease is a row with a fencing ``token`` and a ``beat`` that its holder raises while it lives. No time is
stored. Whoever wants to take over watches the row on its *own* monotonic clock, and takes it by
compare-and-swap only when token and beat have stood still for a whole lease. A clock that jumps by a day
changes nothing. Taking over raises the token; the database refuses the writes of an older token and routers
refuse its policies, so that a controller that was merely slow cannot undo what its successor did.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from burnish.errors import ConflictError
from burnish.rollout.schema import leases

_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Leadership:
    """The right to move the traffic of a model, as long as nobody holds a larger token."""

    engine: sa.Engine
    model: str
    token: int
    holder: str

    def confirm(self, connection: sa.Connection) -> None:
        """Raise the beat inside a transaction, which then belongs to the leader alone.

        Raises:
            ConflictError: Somebody else has taken over; nothing of the transaction must be kept.
        """
        result = connection.execute(
            leases.update()
            .where(leases.c.model == self.model, leases.c.token == self.token)
            .values(beat=leases.c.beat + 1)
        )
        if result.rowcount != 1:
            raise ConflictError(
                f"rollout of {self.model!r}: another controller or an operator has taken over",
                hint=f"burnish rollout status {self.model}",
            )

    def release(self) -> None:
        """Let the next controller take over at once; a lease already lost is left alone."""
        with self.engine.begin() as connection:
            connection.execute(
                leases.update()
                .where(leases.c.model == self.model, leases.c.token == self.token)
                .values(holder="")
            )


def take_leadership(
    engine: sa.Engine,
    model: str,
    *,
    holder: str,
    lease_s: float,
    above: int = 0,
    force: bool = False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Leadership:
    """Become the leader of a model's rollout, waiting out a silent predecessor.

    Args:
        engine: Database that holds the tables of `burnish.rollout.schema`.
        model: Name of the model.
        holder: Who asks, for people to read; such as host and process.
        lease_s: How long the row must stand still before it is taken from somebody.
        above: Token that the new one must exceed, for example that of the routers' live policy.
        force: Take over at once: an operator's abort or rollback.
        clock: Monotonic clock.
        sleep: Waits between two looks.

    Raises:
        ConflictError: Another controller is alive.
    """
    _ensure_row(engine, model)
    token, beat, owner = _read(engine, model)
    deadline = clock() + lease_s
    while owner and not force and clock() < deadline:
        sleep(min(_LOOK_S, lease_s / 4))
        seen = token, beat
        token, beat, owner = _read(engine, model)
        if owner and (token, beat) != seen:
            raise ConflictError(
                f"rollout of {model!r} is led by {owner}",
                hint="one controller a model: watch it, or abort it",
            )
    taken = max(token, above) + 1
    with engine.begin() as connection:
        swap = leases.update().where(leases.c.model == model, leases.c.token == token)
        if not force:
            swap = swap.where(leases.c.beat == beat)
        if connection.execute(swap.values(token=taken, beat=0, holder=holder)).rowcount != 1:
            raise ConflictError(f"rollout of {model!r}: another controller was faster", hint="try again")
    return Leadership(engine, model, taken, holder)


def _read(engine: sa.Engine, model: str) -> tuple[int, int, str]:
    with engine.connect() as connection:
        row = connection.execute(
            sa.select(leases.c.token, leases.c.beat, leases.c.holder).where(leases.c.model == model)
        ).one()
    return row.token, row.beat, row.holder


def _ensure_row(engine: sa.Engine, model: str) -> None:
    try:
        with engine.begin() as connection:
            found = connection.execute(sa.select(leases.c.model).where(leases.c.model == model)).first()
            if found is None:
                connection.execute(leases.insert().values(model=model, token=0, beat=0, holder=""))
    except sa.exc.IntegrityError:
        return  # somebody else was faster, which is as good
