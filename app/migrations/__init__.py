"""Migrations: the scripts that bring a database made by an earlier version to today's tables.

They import the ground floor only.
"""
