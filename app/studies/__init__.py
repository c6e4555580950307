"""Studies: the study file, its scales and rules, drawing and creating a study, its clips, documents and lifecycle.

Its modules import `app.sampling` and what lies below it; they know neither the rating room nor any result.
"""
