"""Releases that go through the fleet in waves."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "campaigns",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("version", sa.String(40), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("rate_kbit_s", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.String(200), nullable=False),
        sa.Column("by", sa.String(120), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "campaign_rooms",
        sa.Column("campaign", sa.String(36), sa.ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("site", sa.String(64), primary_key=True),
        sa.Column("wave", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("before", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger()),
        sa.Column("detail", sa.String(200), nullable=False),
    )
    op.create_index("campaign_rooms_of_site", "campaign_rooms", ["site"])
