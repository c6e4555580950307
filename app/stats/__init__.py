"""Statistics on plain files: what `clipjury stats` reads, computes with `analysis` and prints, one module per command.

No module here knows studies or the database. They import the ground floor and `analysis` only.
"""
