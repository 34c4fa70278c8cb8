"""The table of the agents: which release each room runs. Times as in `tables`."""

from sqlalchemy import BigInteger, Column, ForeignKey, String, Table

from fleet_server.store.tables import metadata

agents = Table(
    "agents", metadata,
    Column("site", ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Column("version", String(60), nullable=False),
    Column("since", BigInteger, nullable=False),
)  # fmt: skip
