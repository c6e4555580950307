"""A table with size and SHA-256 of each prepared clip's file."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "preparedclip",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("media_key", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preparedclip")),
        sa.UniqueConstraint("media_key", name=op.f("uq_preparedclip_media_key")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("preparedclip")
