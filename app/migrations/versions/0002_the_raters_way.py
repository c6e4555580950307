"""Add versions of texts, invites, training, gold clips, repeats and the state of a study."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UNIQUE = {
    "assignment": (["study_clip_id", "rater_id"], "occasion"),
    "studyclip": (["study_id", "clip", "criterion"], "role"),
}
NEW_CHECKS = {
    "assignment": (
        "purpose",
        "purpose IN ('sample', 'repeat', 'gold', 'attention', 'stabiliser', 'training', 'qualification')",
    ),
    "rater": ("ended", "ended IN ('', 'completed', 'screened_out', 'returned', 'declined')"),
    "study": ("state", "state IN ('open', 'paused', 'closed', 'archived')"),
    "studyclip": ("role", "role IN ('sample', 'training', 'qualification', 'gold', 'attention', 'example')"),
}
KINDS_BEFORE = "kind IN ('person', 'simulated')"
KINDS = "kind IN ('person', 'simulated', 'model')"
SCALES_BEFORE = "scale IN ('acr5', 'verdict', 'acceptable')"
SCALES = "scale IN ('acr5', 'likert', 'verdict', 'acceptable', 'slider', 'tags', 'text')"


def new_columns() -> dict[str, tuple[sa.Column[Any], ...]]:
    """By table; made anew each time, for a column belongs to one table."""
    return {
        "assignment": (
            sa.Column("purpose", sa.String(), nullable=False, server_default="sample"),
            sa.Column("occasion", sa.Integer(), nullable=False, server_default="0"),
        ),
        "criterion": (
            sa.Column("required", sa.Boolean(), nullable=False, server_default=sa.true()),
            sa.Column("options", sa.JSON(), nullable=False, server_default="[]"),
            sa.Column("rubric", sa.JSON(), nullable=False, server_default="{}"),
        ),
        "rater": (
            sa.Column("consent_hash", sa.String(), nullable=True),
            sa.Column("device", sa.JSON(), nullable=False, server_default="{}"),
            sa.Column("tries", sa.Integer(), nullable=False, server_default="0"),
            sa.Column("qualified", sa.Boolean(), nullable=True),
            sa.Column("ended", sa.String(), nullable=False, server_default=""),
            sa.Column("taken", sa.Integer(), nullable=False, server_default="0"),
            sa.Column("language", sa.String(), nullable=False, server_default=""),
            sa.Column("invite_id", sa.Integer(), nullable=True),
            sa.Column("platform_ids", sa.JSON(), nullable=False, server_default="{}"),
            sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        ),
        "study": (
            sa.Column("rules", sa.JSON(), nullable=False, server_default="{}"),
            sa.Column("state", sa.String(), nullable=False, server_default="open"),
            sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        ),
        "studyclip": (
            sa.Column("role", sa.String(), nullable=False, server_default="sample"),
            sa.Column("block", sa.Integer(), nullable=False, server_default="0"),
            sa.Column("answers", sa.JSON(), nullable=False, server_default="{}"),
            sa.Column("reason", sa.String(), nullable=False, server_default=""),
        ),
    }


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "document",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('guidelines', 'consent')", name=op.f("ck_document_kind")),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_document_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document")),
        sa.UniqueConstraint("study_id", "kind", "hash", name=op.f("uq_document_study_id_kind_hash")),
    )
    op.create_index(op.f("ix_document_study_id"), "document", ["study_id"])
    op.create_table(
        "invite",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("cap", sa.Integer(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_invite_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invite")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invite_token_hash")),
    )
    op.create_index(op.f("ix_invite_study_id"), "invite", ["study_id"])
    op.create_table(
        "apitoken",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_apitoken")),
        sa.UniqueConstraint("name", name=op.f("uq_apitoken_name")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_apitoken_token_hash")),
    )
    for table, columns in new_columns().items():
        with op.batch_alter_table(table) as changed:
            for column in columns:
                changed.add_column(column)
            if table in NEW_CHECKS:
                name, condition = NEW_CHECKS[table]
                changed.create_check_constraint(op.f(f"ck_{table}_{name}"), condition)
            if table in UNIQUE:
                before, more = UNIQUE[table]
                changed.drop_constraint(op.f(f"uq_{table}_{'_'.join(before)}"), type_="unique")
                changed.create_unique_constraint(op.f(f"uq_{table}_{'_'.join(before)}_{more}"), [*before, more])
            if table == "rater":
                changed.create_foreign_key(op.f("fk_rater_invite_id"), "invite", ["invite_id"], ["id"])
                changed.drop_constraint(op.f("ck_rater_kind"), type_="check")
                changed.create_check_constraint(op.f("ck_rater_kind"), KINDS)
            if table == "criterion":
                changed.drop_constraint(op.f("ck_criterion_scale"), type_="check")
                changed.create_check_constraint(op.f("ck_criterion_scale"), SCALES)
    op.create_index(op.f("ix_assignment_study_id_status_place"), "assignment", ["study_id", "status", "place"])


def downgrade() -> None:
    """Take back."""
    op.drop_index(op.f("ix_assignment_study_id_status_place"), "assignment")
    for table, columns in reversed(new_columns().items()):
        with op.batch_alter_table(table) as changed:
            if table == "criterion":
                changed.drop_constraint(op.f("ck_criterion_scale"), type_="check")
                changed.create_check_constraint(op.f("ck_criterion_scale"), SCALES_BEFORE)
            if table == "rater":
                changed.drop_constraint(op.f("fk_rater_invite_id"), type_="foreignkey")
                changed.drop_constraint(op.f("ck_rater_kind"), type_="check")
                changed.create_check_constraint(op.f("ck_rater_kind"), KINDS_BEFORE)
            if table in UNIQUE:
                before, more = UNIQUE[table]
                changed.drop_constraint(op.f(f"uq_{table}_{'_'.join(before)}_{more}"), type_="unique")
                changed.create_unique_constraint(op.f(f"uq_{table}_{'_'.join(before)}"), before)
            if table in NEW_CHECKS:
                changed.drop_constraint(op.f(f"ck_{table}_{NEW_CHECKS[table][0]}"), type_="check")
            for column in columns:
                changed.drop_column(column.name)
    op.drop_table("apitoken")
    op.drop_table("invite")
    op.drop_table("document")
