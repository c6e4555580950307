"""Thresholds: the workbench that shows what each threshold would keep, pairs, cascades and adopted thresholds.

Its modules import `app.results` and what lies below it.
"""
