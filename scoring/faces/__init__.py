"""Finding faces in a picture: what a face is, the two detectors, and the choice between them.

May import `scoring.images`, `scoring.settings` and `scoring.weights`.
"""
