"""Add the table of exclusions: raters whose answers do not count."""

import sqlalchemy as sa
from alembic import op

from app.db import UtcTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "exclusion",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("rater_id", sa.Integer(), nullable=False),
        sa.Column("excluded_from", UtcTime(), nullable=True),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("lifted_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_exclusion_study_id_study")),
        sa.ForeignKeyConstraint(["rater_id"], ["rater.id"], name=op.f("fk_exclusion_rater_id_rater")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exclusion")),
    )
    op.create_index(op.f("ix_exclusion_study_id"), "exclusion", ["study_id"])


def downgrade() -> None:
    """Take back."""
    op.drop_index(op.f("ix_exclusion_study_id"), table_name="exclusion")
    op.drop_table("exclusion")
