"""The tables of sessions: what is planned, found, decided, confirmed. Times and messages as in `tables`."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, LargeBinary, String, Table, Text, false

from fleet_server.store.tables import metadata

series = Table(
    "series", metadata,
    Column("id", String(36), primary_key=True),
    Column("title", String(200), nullable=False),
    Column("chair", String(120), nullable=False),
    Column("rhythm", Text, nullable=False),
    Column("begins", String(5), nullable=False),
    Column("length_min", BigInteger, nullable=False),
    Column("first", String(10), nullable=False),
    Column("last", String(10)),
    Column("sites", Text, nullable=False),
    Column("by", String(120), nullable=False),
    Column("ended_at", BigInteger),
)  # fmt: skip

sessions = Table(
    "sessions", metadata,
    Column("id", String(36), primary_key=True),
    Column("title", String(200), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("chair", String(120), nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("planned_at", BigInteger, nullable=False, server_default="0"),
    Column("by", String(120), nullable=False, server_default=""),
    Column("is_rehearsal", Boolean, nullable=False, server_default=false()),
    Column("rehearses", String(36)),
    Column("series", String(36)),
    Column("series_day", String(10)),
    Column("stages_min", Text, nullable=False, server_default="[1440,120,30,10]"),
    Column("spares", Text, nullable=False, server_default="[]"),
    Column("needs", Text, nullable=False, server_default="{}"),
    Column("cancelled_at", BigInteger),
    Column("cancelled_why", String(500), nullable=False, server_default=""),
    Index("sessions_by_end", "ends_at"),
    Index("sessions_by_start", "starts_at"),
    Index("sessions_of_series", "series", "series_day", unique=True),
)  # fmt: skip

session_sites = Table(
    "session_sites", metadata,
    Column("session", ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True),
    Column("site", ForeignKey("sites.id"), primary_key=True),
)  # fmt: skip

snapshots = Table(
    "snapshots", metadata,
    Column("id", String(36), primary_key=True),
    Column("session", ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", BigInteger, nullable=False),
    Column("go", Boolean, nullable=False),
    Column("sites", LargeBinary, nullable=False),
)  # fmt: skip

decisions = Table(
    "decisions", metadata,
    Column("id", String(36), primary_key=True),
    Column("session", ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("decision", String(8), nullable=False),
    Column("by", String(120), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("rests_on", Text, nullable=False),
    Column("snapshot", String(36)),
)  # fmt: skip

waivers = Table(
    "waivers", metadata,
    Column("id", String(36), primary_key=True),
    Column("session", ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("site", String(64), nullable=False),
    Column("check", String(64), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("by", String(120), nullable=False),
    Column("until", BigInteger, nullable=False),
)  # fmt: skip

stages = Table(
    "stages", metadata,
    Column("session", ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True),
    Column("minutes_before", BigInteger, primary_key=True, autoincrement=False),
    Column("due_at", BigInteger, primary_key=True, autoincrement=False),
    Column("began_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("late", Boolean, nullable=False),
    Column("missed", Boolean, nullable=False),
    Column("snapshot", ForeignKey("snapshots.id")),
)  # fmt: skip

duties = Table(
    "duties", metadata,
    Column("id", String(36), primary_key=True),
    Column("site", ForeignKey("sites.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(120), nullable=False),
    Column("phone", String(40), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
)  # fmt: skip

ticks = Table(
    "ticks", metadata,
    Column("session", ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True),
    Column("site", String(64), primary_key=True),
    Column("item", String(32), primary_key=True),
    Column("by", String(120), nullable=False),
    Column("at", BigInteger, nullable=False),
)  # fmt: skip

invitations = Table(
    "invitations", metadata,
    Column("hash", String(64), primary_key=True),
    Column("session", ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("site", String(64), nullable=False),
    Column("name", String(120), nullable=False),
    Column("phone", String(40), nullable=False),
    Column("by", String(120), nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("opened_at", BigInteger),
    Column("key_hash", String(64), unique=True),
    Index("invitations_of_session", "session"),
)  # fmt: skip

setbacks = Table(
    "setbacks", metadata,
    Column("id", String(36), primary_key=True),
    Column("session", ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("site", String(64), nullable=False),
    Column("check", String(64), nullable=False),
    Column("device", String(64), nullable=False),
    Column("outcome", String(8), nullable=False),
    Column("key", String(64), nullable=False),
    Column("params", Text, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("cleared_at", BigInteger),
    Index("setbacks_of_session", "session"),
)  # fmt: skip

minutes = Table(
    "minutes", metadata,
    Column("id", String(36), primary_key=True),
    Column("session", ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("year", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", String(120), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("pdf", LargeBinary, nullable=False),
    Index("minutes_of_session", "session"),
    Index("minutes_numbered", "year", "number", unique=True),
)  # fmt: skip
