"""History"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """How rooms were: minutes by verdict of each day, and troubles from first sight to cleared."""
    op.create_table(
        "site_days",
        sa.Column("site", sa.String(64), primary_key=True),
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("at_work", sa.Boolean(), primary_key=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("ready", "at_risk", "not_ready", "offline")),
    )
    op.create_index("site_days_by_day", "site_days", ["day"])
    op.create_table(
        "troubles",
        sa.Column("id", sa.String(36), primary_key=True),
        *(sa.Column(name, sa.String(64), nullable=False) for name in ("site", "check", "device", "family")),
        sa.Column("outcome", sa.String(8), nullable=False),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("cleared_at", sa.BigInteger(), nullable=True),
        sa.Column("mended", sa.Boolean(), nullable=False),
    )
    op.create_index("troubles_by_time", "troubles", ["opened_at"])
    op.create_index("troubles_open", "troubles", ["cleared_at"])
