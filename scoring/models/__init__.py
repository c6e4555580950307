"""Scorers that run a published model from a file that the user has: DOVER and CoTracker.

May import `scoring.scorer`, `scoring.video` and the modules of the ground (images, settings, weights).
"""
