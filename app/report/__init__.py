"""The paper pack: a folder with everything a reviewer asks for, made from a study's judgments.

`pack.write` makes it; `facts` reads the database, `tables` turns facts into tables, `formats` writes them as CSV,
LaTeX and Typst, `methods` and `checklist` write the texts, `snapshot` says what it was all made from.
"""
