"""Exchange: a study in other programs' forms, Label Studio's JSON and Hugging Face's folder of Parquet.

Each module has `files(db, study)`: file names relative to a folder, and contents. `forms.FORMS` lists the modules.
They import `app.report` and what lies below it.
"""
