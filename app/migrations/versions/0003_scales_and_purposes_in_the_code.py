"""Drop the CHECKs on scales and purposes. The code validates both, so that a new one needs no migration."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CHECKS = {
    "criterion": ("scale", "scale IN ('acr5', 'likert', 'verdict', 'acceptable', 'slider', 'tags', 'text')"),
    "assignment": (
        "purpose",
        "purpose IN ('sample', 'repeat', 'gold', 'attention', 'stabiliser', 'training', 'qualification')",
    ),
}


def upgrade() -> None:
    """Apply."""
    for table, (column, _condition) in CHECKS.items():
        with op.batch_alter_table(table) as changed:
            changed.drop_constraint(op.f(f"ck_{table}_{column}"), type_="check")


def downgrade() -> None:
    """Take back; fails if a row has a scale or purpose that the older version does not know."""
    for table, (column, condition) in CHECKS.items():
        with op.batch_alter_table(table) as changed:
            changed.create_check_constraint(op.f(f"ck_{table}_{column}"), condition)
