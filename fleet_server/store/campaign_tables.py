"""The tables of campaigns: releases and firmware that go through the fleet in waves. Times as in `tables`."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, Table

from fleet_server.store.tables import metadata

campaigns = Table(
    "campaigns", metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("subject", String(80), nullable=False),
    Column("version", String(60), nullable=False),
    Column("hours", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("rate_kbit_s", BigInteger, nullable=False),
    Column("why", String(200), nullable=False),
    Column("by", String(120), nullable=False),
    Column("made_at", BigInteger, nullable=False),
)  # fmt: skip

campaign_rooms = Table(
    "campaign_rooms", metadata,
    Column("campaign", ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("site", String(64), primary_key=True),
    Column("device", String(64), primary_key=True),
    Column("wave", BigInteger, nullable=False),
    Column("step", String(16), nullable=False),
    Column("before", BigInteger, nullable=False),
    Column("since", BigInteger),
    Column("detail", String(200), nullable=False),
    Index("campaign_rooms_of_site", "site"),
)  # fmt: skip
