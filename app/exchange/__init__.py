"""A study in other programs' forms: Label Studio's JSON, and a folder of Parquet with a data card.

Each module has `files(db, study)`: names, relative to a folder, and what stands in them. `FORMS` names the modules.
"""
