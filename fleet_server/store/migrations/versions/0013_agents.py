"""Which release each room runs. What rooms have said before is told anew when their agents start again."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A table that fills as agents start."""
    op.create_table(
        "agents",
        sa.Column("site", sa.String(64), sa.ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("version", sa.String(60), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
    )
