"""Minutes"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Each minute as it was made and sealed; another one of the same session is another minute."""
    op.create_table(
        "minutes",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("session", sa.String(36), sa.ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("year", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(120), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("pdf", sa.LargeBinary(), nullable=False),
    )
    op.create_index("minutes_of_session", "minutes", ["session"])
    op.create_index("minutes_numbered", "minutes", ["year", "number"], unique=True)
