"""Sessions in full: series, stages, what they ask, who confirms, what went wrong after the decision"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """A session of before was planned when it began, so that no stage of its is made up."""
    op.create_table(
        "series",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("chair", sa.String(120), nullable=False),
        sa.Column("rhythm", sa.Text(), nullable=False),
        sa.Column("begins", sa.String(5), nullable=False),
        sa.Column("length_min", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.String(10), nullable=False),
        sa.Column("last", sa.String(10)),
        sa.Column("sites", sa.Text(), nullable=False),
        sa.Column("by", sa.String(120), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
    )
    op.create_table(
        "snapshots",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("session", sa.String(36), sa.ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("go", sa.Boolean(), nullable=False),
        sa.Column("sites", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_snapshots_session", "snapshots", ["session"])
    op.add_column("sessions", sa.Column("planned_at", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("sessions", sa.Column("by", sa.String(120), nullable=False, server_default=""))
    op.add_column("sessions", sa.Column("is_rehearsal", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("sessions", sa.Column("rehearses", sa.String(36)))
    op.add_column("sessions", sa.Column("series", sa.String(36)))
    op.add_column("sessions", sa.Column("series_day", sa.String(10)))
    op.add_column("sessions", sa.Column("stages_min", sa.Text(), nullable=False, server_default="[1440,120,30,10]"))
    op.add_column("sessions", sa.Column("spares", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("sessions", sa.Column("needs", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("sessions", sa.Column("cancelled_at", sa.BigInteger()))
    op.add_column("sessions", sa.Column("cancelled_why", sa.String(500), nullable=False, server_default=""))
    op.create_index("sessions_of_series", "sessions", ["series", "series_day"], unique=True)
    op.execute("UPDATE sessions SET planned_at = starts_at")
    op.create_index("sessions_by_start", "sessions", ["starts_at"])
    op.create_table(
        "stages",
        sa.Column("session", sa.String(36), sa.ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("minutes_before", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("due_at", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("missed", sa.Boolean(), nullable=False),
        sa.Column("snapshot", sa.String(36), sa.ForeignKey("snapshots.id")),
    )
    op.add_column("decisions", sa.Column("snapshot", sa.String(36)))
    op.create_table(
        "ticks",
        sa.Column("session", sa.String(36), sa.ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("site", sa.String(64), primary_key=True),
        sa.Column("item", sa.String(32), primary_key=True),
        sa.Column("by", sa.String(120), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "invitations",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("session", sa.String(36), sa.ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
        sa.Column("site", sa.String(64), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("phone", sa.String(40), nullable=False),
        sa.Column("by", sa.String(120), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.BigInteger()),
        sa.Column("key_hash", sa.String(64), unique=True),
    )
    op.create_index("invitations_of_session", "invitations", ["session"])
    op.create_table(
        "setbacks",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("session", sa.String(36), sa.ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
        sa.Column("site", sa.String(64), nullable=False),
        sa.Column("check", sa.String(64), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(8), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("cleared_at", sa.BigInteger()),
    )
    op.create_index("setbacks_of_session", "setbacks", ["session"])
