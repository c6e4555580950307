"""Monitoring: a study while it runs, with its progress, the flow of its clips and signs about raters.

Its modules import `app.results` and what lies below it.
"""
