"""Results: from judgments to votes, and from votes to agreement, consensus and each filter's errors.

Its modules import `app.rating` and what lies below it, and `analysis`.
"""
