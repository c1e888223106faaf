"""The tables of rollouts. They live in the registry's database: a rollout is as durable as a version."""

import sqlalchemy as sa

metadata = sa.MetaData()

rollouts = sa.Table(
    "rollouts",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("model", sa.String(128), nullable=False, index=True),
    sa.Column("primary_version", sa.String(80), nullable=False),
    sa.Column("candidate_version", sa.String(80), nullable=False),
    sa.Column("candidate_index", sa.Integer, nullable=False),
    sa.Column("plan", sa.JSON, nullable=False),
    sa.Column("phase", sa.String(16), nullable=False),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("epoch", sa.String(64), nullable=False, default=""),
    sa.Column("cursor", sa.BigInteger, nullable=False, default=0),
    sa.Column("guards", sa.JSON, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("updated", sa.String(40), nullable=False),
)

events = sa.Table(
    "rollout_events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("rollout_id", sa.ForeignKey("rollouts.id"), nullable=False, index=True),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("facts", sa.JSON, nullable=False),
)

# The journal of the evidence: a prediction counts at most once, and the evidence can be computed again.
pairs = sa.Table(
    "rollout_pairs",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("rollout_id", sa.ForeignKey("rollouts.id"), nullable=False),
    sa.Column("prediction_id", sa.String(200), nullable=False),
    sa.Column("user", sa.String(200), nullable=False),
    sa.Column("outcome", sa.SmallInteger, nullable=False),
    sa.UniqueConstraint("rollout_id", "prediction_id"),
)

leases = sa.Table(
    "rollout_leases",
    metadata,
    sa.Column("model", sa.String(128), primary_key=True),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("beat", sa.BigInteger, nullable=False),
    sa.Column("holder", sa.String(200), nullable=False),
)
