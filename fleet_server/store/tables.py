"""The tables. Times are integers of milliseconds since the epoch, UTC; messages are kept as they came."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)

metadata = MetaData()

sites = Table(
    "sites", metadata,
    Column("id", String(64), primary_key=True),
    Column("code", String(16), nullable=False),
    Column("name", String(200), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("parent", String(64)),
    Column("lat", Float, nullable=False),
    Column("lon", Float, nullable=False),
    Column("line_down_mbit_s", Float),
    Column("line_up_mbit_s", Float),
    Column("closed_at", BigInteger),
)  # fmt: skip

site_state = Table(
    "site_state", metadata,
    Column("site", ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Column("present", Boolean, nullable=False),
    Column("about", LargeBinary),
    Column("report", LargeBinary),
    Column("received_at", BigInteger),
    Column("verdict", String(16), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("kept", LargeBinary),
    Column("boots", LargeBinary),
)  # fmt: skip

log_positions = Table(
    "log_positions", metadata,
    Column("site", String(64), primary_key=True),
    Column("log_id", String(36), primary_key=True),
    Column("through", BigInteger, nullable=False),
)  # fmt: skip

log_entries = Table(
    "log_entries", metadata,
    Column("site", String(64), primary_key=True),
    Column("log_id", String(36), primary_key=True),
    Column("n", BigInteger, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("event", String(64), nullable=False),
    Column("device", String(64)),
    Column("params", Text, nullable=False),
    Index("log_entries_of_site", "site", "received_at"),
)  # fmt: skip

commands = Table(
    "commands", metadata,
    Column("id", String(36), primary_key=True),
    Column("site", String(64), nullable=False),
    Column("device", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("params", Text, nullable=False),
    Column("reason", String(500), nullable=False),
    Column("requested_by", String(120), nullable=False),
    Column("requested_from", String(64), nullable=False),
    Column("requested_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("answer_by", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("idempotency_key", String(200), unique=True),
    Column("approval", String(120)),
    Column("asked_by_user", String(36)),
    Column("override", Boolean, nullable=False, server_default=false()),
    Index("commands_of_site", "site", "requested_at"),
    Index("commands_open", "state"),
)  # fmt: skip

command_steps = Table(
    "command_steps", metadata,
    Column("command", ForeignKey("commands.id", ondelete="CASCADE"), primary_key=True),
    Column("nr", BigInteger, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("detail", String(64), nullable=False),
    Column("params", Text, nullable=False),
)  # fmt: skip

line_tests = Table(
    "line_tests", metadata,
    Column("id", String(36), primary_key=True),
    Column("site", String(64), nullable=False),
    Column("by", String(120), nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("one_room", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("command", String(36)),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("down_mbit_s", Float),
    Column("up_mbit_s", Float),
    Column("method", String(16), nullable=False),
    Column("detail", String(64), nullable=False),
    Index("line_tests_of_site", "site"),
    Index("line_tests_open", "state"),
)  # fmt: skip

surveys = Table(
    "surveys", metadata,
    Column("site", ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Column("answers", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", String(120), nullable=False),
)  # fmt: skip

site_stages = Table(
    "site_stages", metadata,
    Column("id", String(36), primary_key=True),
    Column("site", ForeignKey("sites.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("stage", String(16), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", String(120), nullable=False),
    Column("note", String(500), nullable=False),
)  # fmt: skip

desired = Table(
    "desired", metadata,
    Column("site", ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Column("devices", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", String(120), nullable=False),
)  # fmt: skip

provision_runs = Table(
    "provision_runs", metadata,
    Column("id", String(36), primary_key=True),
    Column("site", ForeignKey("sites.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("by", String(120), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("state", String(16), nullable=False),
    Column("steps", Text, nullable=False),
)  # fmt: skip

users = Table(
    "users", metadata,
    Column("id", String(36), primary_key=True),
    Column("login", String(64), nullable=False, unique=True),
    Column("name", String(120), nullable=False),
    Column("role", String(16), nullable=False),
    Column("sites", Text, nullable=False),
    Column("password", String(200), nullable=False),
    Column("totp", Text, nullable=False),
    Column("totp_used", BigInteger, nullable=False),
    Column("subject", String(255), unique=True),
    Column("made_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
)  # fmt: skip

keys = Table(
    "keys", metadata,
    Column("hash", String(64), primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("user", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("label", String(120), nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("reads_only", Boolean, nullable=False),
)  # fmt: skip

audit = Table(
    "audit", metadata,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("by", String(120), nullable=False),
    Column("origin", String(64), nullable=False),
    Column("act", String(64), nullable=False),
    Column("site", String(64)),
    Column("outcome", String(16), nullable=False),
    Column("details", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    Index("audit_of_site", "site"),
)  # fmt: skip

secrets = Table(
    "secrets", metadata,
    Column("site", ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", String(120), nullable=False),
)  # fmt: skip

enrolments = Table(
    "enrolments", metadata,
    Column("id", String(36), primary_key=True),
    Column("site", ForeignKey("sites.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("code_hash", String(64), nullable=False, unique=True),
    Column("asked_by", String(120), nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("machine", String(120), nullable=False),
    Column("claimed_from", String(64), nullable=False),
    Column("claimed_at", BigInteger),
    Column("request", Text, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("sealing_key", String(64), nullable=False),
    Column("token_hash", String(64), nullable=False),
    Column("decided_by", String(120), nullable=False),
    Column("decided_at", BigInteger),
    Index("enrolments_open", "state"),
)  # fmt: skip

certificates = Table(
    "certificates", metadata,
    Column("serial", String(40), primary_key=True),
    Column("site", ForeignKey("sites.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("authority", String(64), nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("asked", String(36), nullable=False, unique=True),
    Column("pem", Text, nullable=False),
    Column("revoked_at", BigInteger),
    Column("revoked_by", String(120), nullable=False),
    Column("reason", String(500), nullable=False),
)  # fmt: skip
