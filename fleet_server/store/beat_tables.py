"""The table that shows whether the database takes anything: one row, written again and again."""

from sqlalchemy import BigInteger, Column, String, Table

from fleet_server.store.tables import metadata

beats = Table("beats", metadata, Column("name", String(32), primary_key=True), Column("at", BigInteger, nullable=False))
