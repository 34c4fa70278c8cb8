"""Alerts"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def _string(name: str, length: int, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=null)


def _number(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=null)


def _words(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _of_recipient() -> sa.Column[str]:
    owner = sa.ForeignKey("recipients.id", ondelete="CASCADE")
    return sa.Column("recipient", sa.String(36), owner, nullable=False)


def upgrade() -> None:
    """What is wrong, who is told, and what was sent."""
    op.create_table(
        "incidents",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        _string("site", 64, null=True), _string("check", 64), _string("device", 64), _string("role", 16),
        _string("outcome", 8), sa.Column("counts", sa.Boolean(), nullable=False), _string("says", 64),
        _words("params"), _words("held"), _number("priority"), _string("session", 36, null=True), _number("spells"),
        _number("opened_at"), _number("cleared_at", null=True), _number("acknowledged_at", null=True),
        _string("acknowledged_by", 120), _string("assigned_to", 120), _number("snoozed_until", null=True),
        _number("told"),
    )  # fmt: skip
    op.create_index("incidents_open", "incidents", ["cleared_at"])
    op.create_index("incidents_of_site", "incidents", ["site", "opened_at"])
    of_incident = sa.ForeignKey("incidents.number", ondelete="CASCADE")
    op.create_table(
        "incident_steps",
        sa.Column("incident", sa.BigInteger(), of_incident, primary_key=True),
        sa.Column("nr", sa.BigInteger(), primary_key=True, autoincrement=False),
        _number("at"), _string("what", 16), _string("by", 120), _string("note", 500),
    )  # fmt: skip
    op.create_table(
        "silences",
        sa.Column("id", sa.String(36), primary_key=True),
        _words("match"), _number("begins_at"), _number("ends_at"), _words("rhythm"), _string("reason", 500),
        _string("by", 120), _number("made_at"), _number("ended_at", null=True),
    )  # fmt: skip
    op.create_index("silences_by_end", "silences", ["ends_at"])
    op.create_table(
        "recipients",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(120), nullable=False, unique=True),
        sa.Column("user", sa.String(36), sa.ForeignKey("users.id", ondelete="CASCADE")),
        _string("lang", 2), _number("made_at"),
    )  # fmt: skip
    op.create_table(
        "contacts",
        sa.Column("id", sa.String(36), primary_key=True),
        _of_recipient(), _number("rank"), _string("channel", 32), _words("sealed"), _string("shown", 40),
        _number("agreed_at"), _string("agreed_by", 120), _number("withdrawn_at", null=True),
        _number("tested_at", null=True), _string("tested", 16),
    )  # fmt: skip
    op.create_index("ix_contacts_recipient", "contacts", ["recipient"])
    op.create_table(
        "shifts",
        sa.Column("id", sa.String(36), primary_key=True),
        _string("rota", 64), _of_recipient(), _number("begins_at"), _number("ends_at"), _string("by", 120),
    )  # fmt: skip
    op.create_index("shifts_of_rota", "shifts", ["rota", "ends_at"])
    op.create_table(
        "routes",
        sa.Column("id", sa.String(36), primary_key=True),
        _string("name", 120), _words("match"), _words("steps"), _string("by", 120), _number("made_at"),
    )  # fmt: skip
    op.create_table(
        "alert_texts",
        sa.Column("lang", sa.String(2), primary_key=True),
        sa.Column("key", sa.String(40), primary_key=True),
        _string("text", 500), _string("by", 120), _number("at"),
    )  # fmt: skip
    op.create_table(
        "ack_links",
        sa.Column("hash", sa.String(64), primary_key=True),
        _number("incident"), _string("name", 120), _number("expires_at"),
        sa.Column("used", sa.Boolean(), nullable=False),
    )  # fmt: skip
    op.create_index("ack_links_by_end", "ack_links", ["expires_at"])
    op.create_table(
        "zalo_tokens",
        sa.Column("app", sa.String(64), primary_key=True),
        _words("sealed"), _number("generation"), _number("at"), _number("began_at", null=True),
        _string("stopped", 200), _string("mark", 16),
    )  # fmt: skip
    op.create_table(
        "notifications",
        sa.Column("id", sa.String(36), primary_key=True),
        _number("incident", null=True), _string("what", 16), _number("step"), _string("recipient", 36),
        _string("contact", 36), _string("channel", 32), _string("state", 16), _number("tries"), _number("made_at"),
        _number("due_at"), _number("until"), _number("ended_at", null=True), _string("detail", 200),
        _string("reference", 120), _string("stands_for", 36, null=True),
    )  # fmt: skip
    op.create_index("notifications_due", "notifications", ["state", "due_at"])
    op.create_index("notifications_of_incident", "notifications", ["incident"])
