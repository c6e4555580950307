"""Scoring: a clip's file in, numbers out. A library that knows nothing of studies, raters or the web.

`scorer` says what a scorer is, `registry` lists them all, `filters` applies thresholds to their scores. Packages may
import those above them in this list, and never one below or beside:

- settings, weights, images, locations, filters: what all others build on
- faces: finding faces in a picture
- video: reading clips, frame by frame
- scorer: what a scorer is
- head, picture, motion, sound, models: the scorers, a package per family
- registry, pipeline: all scorers, and one clip passed through them
- explain, segmenting, runners: what is done with many clips
"""
