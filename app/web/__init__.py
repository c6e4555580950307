"""The web shell: rendering pages, guarding requests, answering with figures, and the researchers' own process.

Every route uses it; it knows no study, no rater and no pool. Its modules import the ground floor only.
"""
