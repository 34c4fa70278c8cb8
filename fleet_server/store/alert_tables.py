"""The tables of alerts: what is wrong, who is told, what was sent. Times as in `tables`."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, String, Table, Text

from fleet_server.store.tables import metadata

incidents = Table(
    "incidents", metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("site", String(64)),
    Column("check", String(64), nullable=False),
    Column("device", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("outcome", String(8), nullable=False),
    Column("counts", Boolean, nullable=False),
    Column("says", String(64), nullable=False),
    Column("params", Text, nullable=False),
    Column("held", Text, nullable=False),
    Column("priority", BigInteger, nullable=False),
    Column("session", String(36)),
    Column("spells", BigInteger, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("cleared_at", BigInteger),
    Column("acknowledged_at", BigInteger),
    Column("acknowledged_by", String(120), nullable=False),
    Column("assigned_to", String(120), nullable=False),
    Column("snoozed_until", BigInteger),
    Column("told", BigInteger, nullable=False),
    Index("incidents_open", "cleared_at"),
    Index("incidents_of_site", "site", "opened_at"),
)  # fmt: skip

incident_steps = Table(
    "incident_steps", metadata,
    Column("incident", ForeignKey("incidents.number", ondelete="CASCADE"), primary_key=True),
    Column("nr", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("what", String(16), nullable=False),
    Column("by", String(120), nullable=False),
    Column("note", String(500), nullable=False),
)  # fmt: skip

silences = Table(
    "silences", metadata,
    Column("id", String(36), primary_key=True),
    Column("match", Text, nullable=False),
    Column("begins_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("rhythm", Text, nullable=False),
    Column("reason", String(500), nullable=False),
    Column("by", String(120), nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Index("silences_by_end", "ends_at"),
)  # fmt: skip

recipients = Table(
    "recipients", metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(120), nullable=False, unique=True),
    Column("user", ForeignKey("users.id", ondelete="CASCADE")),
    Column("lang", String(2), nullable=False),
    Column("made_at", BigInteger, nullable=False),
)  # fmt: skip

contacts = Table(
    "contacts", metadata,
    Column("id", String(36), primary_key=True),
    Column("recipient", ForeignKey("recipients.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("rank", BigInteger, nullable=False),
    Column("channel", String(32), nullable=False),
    Column("sealed", Text, nullable=False),
    Column("shown", String(40), nullable=False),
    Column("agreed_at", BigInteger, nullable=False),
    Column("agreed_by", String(120), nullable=False),
    Column("withdrawn_at", BigInteger),
    Column("tested_at", BigInteger),
    Column("tested", String(16), nullable=False),
)  # fmt: skip

shifts = Table(
    "shifts", metadata,
    Column("id", String(36), primary_key=True),
    Column("rota", String(64), nullable=False),
    Column("recipient", ForeignKey("recipients.id", ondelete="CASCADE"), nullable=False),
    Column("begins_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("by", String(120), nullable=False),
    Index("shifts_of_rota", "rota", "ends_at"),
)  # fmt: skip

routes = Table(
    "routes", metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("match", Text, nullable=False),
    Column("steps", Text, nullable=False),
    Column("by", String(120), nullable=False),
    Column("made_at", BigInteger, nullable=False),
)  # fmt: skip

holidays = Table(
    "holidays", metadata,
    Column("day", String(10), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("by", String(120), nullable=False),
)  # fmt: skip

ack_links = Table(
    "ack_links", metadata,
    Column("hash", String(64), primary_key=True),
    Column("incident", BigInteger, nullable=False),
    Column("name", String(120), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used", Boolean, nullable=False),
    Index("ack_links_by_end", "expires_at"),
)  # fmt: skip

alert_texts = Table(
    "alert_texts", metadata,
    Column("lang", String(2), primary_key=True),
    Column("key", String(40), primary_key=True),
    Column("text", String(500), nullable=False),
    Column("by", String(120), nullable=False),
    Column("at", BigInteger, nullable=False),
)  # fmt: skip

zalo_tokens = Table(
    "zalo_tokens", metadata,
    Column("app", String(64), primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("began_at", BigInteger),
    Column("stopped", String(200), nullable=False),
    Column("mark", String(16), nullable=False),
)  # fmt: skip

notifications = Table(
    "notifications", metadata,
    Column("id", String(36), primary_key=True),
    Column("incident", BigInteger),
    Column("what", String(16), nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("recipient", String(36), nullable=False),
    Column("contact", String(36), nullable=False),
    Column("channel", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("tries", BigInteger, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("detail", String(200), nullable=False),
    Column("reference", String(120), nullable=False),
    Column("stands_for", String(36)),
    Column("reached_at", BigInteger),
    Index("notifications_due", "state", "due_at"),
    Index("notifications_by_reference", "reference"),
    Index("notifications_of_contact", "contact", "ended_at"),
    Index("notifications_of_incident", "incident"),
)  # fmt: skip
