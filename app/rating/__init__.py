"""Rating: the rater's way from onboarding through assignments, the rating room and judgments to the completion code.

Its modules import `app.raters`, `app.studies` and what lies below them; they know no result.
"""
