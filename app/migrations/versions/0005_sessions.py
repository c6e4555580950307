"""Sessions that can be ended: an epoch per rater, and a table of the researcher's sessions."""

import sqlalchemy as sa
from alembic import op

from app.db import UtcTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("rater", sa.Column("epoch", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "researchersession",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("secret_hash", sa.String(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("ends_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_researchersession")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_researchersession_secret_hash")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("researchersession")
    op.drop_column("rater", "epoch")
