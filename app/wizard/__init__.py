"""The wizard: a study in the making in the browser, from a pool to a draft with previews and the finished study file.

Its modules import `app.studies` and what lies below it.
"""
