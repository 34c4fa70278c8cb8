"""When a message reached somebody; days on which nobody works."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    op.add_column("notifications", sa.Column("reached_at", sa.BigInteger()))
    op.create_index("notifications_by_reference", "notifications", ["reference"])
    op.create_index("notifications_of_contact", "notifications", ["contact", "ended_at"])
    op.create_table(
        "holidays",
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("by", sa.String(120), nullable=False),
    )
