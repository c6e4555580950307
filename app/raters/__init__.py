"""Raters: who may rate, by which invite link, and lists of names that become personal links.

Its modules import `app.studies` and what lies below it; what a rater does in the rating room is in `app.rating`.
"""
