"""The report: a paper-ready pack of tables, figures, methods and checklist, the exports, and the preregistration.

`pack_files` makes all files of the pack, `stored_packs` keeps the latest pack of each study for the Report page.
`facts` reads the database, `tables` turns facts into tables, `formats` writes tables as CSV, LaTeX and Typst, `methods`
and `checklist` write the texts, and `snapshot` records the data and settings that they come from.
Its modules import `app.pool_evidence`, `app.thresholds`, `app.results` and what lies below them.
"""
