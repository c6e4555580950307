"""Dividing long videos into clips: finding scene cuts, choosing segments between them, and writing each as a file.

May import `scoring.video` and `scoring.images`.
"""
