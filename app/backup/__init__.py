"""Backup: one portable archive of an installation, its way back into an empty one, and the check of an installation.

`writing` makes an archive, `restoring` reads one into SQLite or PostgreSQL, `moving` copies a database to PostgreSQL,
and `checking` lists what is wrong with an installation. `schema` and `rows` know the tables and rows of any revision,
`home_files` says which files belong to an installation, `manifest` and `reading` describe and check an archive.
Its modules import what lies below the exchange: `app.raters`, `app.studies` and the ground floor.
"""
