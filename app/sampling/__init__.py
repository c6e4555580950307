"""Sampling: designs, the sampling frame, draws with known inclusion probabilities, sample files and sample sizes.

Its modules import `app.pools` and what lies below it, and `analysis.sampling`; they know no study and no database.
"""
