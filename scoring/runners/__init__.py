"""Scoring many clips: in this process, in several processes or on a Dask cluster, each clip's row in a file of its own.

May import everything in scoring but `scoring.explain` and `scoring.segmenting`.
"""
