"""Pools: Parquet tables with one row per clip. Importing, scoring, joining, filtering and summarising them.

Its modules import the ground floor, `app.filters` and `scoring`; they know no study and no database.
"""
