"""Pool evidence: what judgments of a sample mean for the whole pool, for its subgroups, and for the next batch.

Its modules import `app.thresholds`, `app.results` and what lies below them.
"""
