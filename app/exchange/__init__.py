"""Exchange: export a study in the forms of other programs, Label Studio's JSON and Hugging Face's folder of Parquet.

Each form's module has `files(db, study)`, which returns the names and contents of files; `forms.FORMS` lists the forms.
The modules import `app.report` and the packages below it.
"""
