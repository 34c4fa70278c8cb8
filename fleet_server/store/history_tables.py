"""The tables of how rooms were. Times as in `tables`; days are the province's own (ISO 8601)."""

from sqlalchemy import BigInteger, Boolean, Column, Index, String, Table

from fleet_server.store.tables import metadata

site_days = Table(
    "site_days", metadata,
    Column("site", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("at_work", Boolean, primary_key=True),
    Column("ready", BigInteger, nullable=False),
    Column("at_risk", BigInteger, nullable=False),
    Column("not_ready", BigInteger, nullable=False),
    Column("offline", BigInteger, nullable=False),
    Index("site_days_by_day", "day"),
)  # fmt: skip

troubles = Table(
    "troubles", metadata,
    Column("id", String(36), primary_key=True),
    Column("site", String(64), nullable=False),
    Column("check", String(64), nullable=False),
    Column("device", String(64), nullable=False),
    Column("family", String(64), nullable=False),
    Column("outcome", String(8), nullable=False),
    Column("counts", Boolean, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("cleared_at", BigInteger),
    Column("mended", Boolean, nullable=False),
    Index("troubles_by_time", "opened_at"),
    Index("troubles_open", "cleared_at"),
)  # fmt: skip
