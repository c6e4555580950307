"""The report: a paper-ready pack of tables, figures, methods and checklist, the exports, and the preregistration.

`pack.write` makes the pack; `facts` reads the database, `tables` turns facts into tables, `formats` writes them as CSV,
LaTeX and Typst, `methods` and `checklist` write the texts, `snapshot` says which data and settings they come from.
Its modules import `app.pool_evidence`, `app.thresholds`, `app.results` and what lies below them.
"""
