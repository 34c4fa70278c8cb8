"""Campaigns are of releases or of firmware; in one of firmware a room may have several devices."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What there is, is of releases, which are about rooms."""
    # Put aside first: SQLite makes a changed table anew, and what refers to the old one would go with it.
    op.execute("CREATE TABLE campaign_rooms_kept AS SELECT * FROM campaign_rooms")
    op.drop_table("campaign_rooms")
    with op.batch_alter_table("campaigns") as table:
        table.add_column(sa.Column("kind", sa.String(16), nullable=False, server_default="release"))
        table.add_column(sa.Column("subject", sa.String(80), nullable=False, server_default=""))
        table.add_column(sa.Column("hours", sa.String(16), nullable=False, server_default=""))
        table.alter_column("version", type_=sa.String(60), existing_type=sa.String(40), existing_nullable=False)
    with op.batch_alter_table("campaigns") as table:
        for name, size in (("kind", 16), ("subject", 80), ("hours", 16)):
            table.alter_column(name, server_default=None, existing_type=sa.String(size), existing_nullable=False)
    op.execute("UPDATE campaigns SET subject = version")
    op.create_table(
        "campaign_rooms",
        sa.Column("campaign", sa.String(36), sa.ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("site", sa.String(64), primary_key=True),
        sa.Column("device", sa.String(64), primary_key=True),
        sa.Column("wave", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("before", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger()),
        sa.Column("detail", sa.String(200), nullable=False),
    )
    op.create_index("campaign_rooms_of_site", "campaign_rooms", ["site"])
    op.execute(
        'INSERT INTO campaign_rooms (campaign, site, device, wave, step, "before", since, detail) '
        "SELECT campaign, site, '', wave, step, \"before\", since, detail FROM campaign_rooms_kept"
    )
    op.drop_table("campaign_rooms_kept")
