"""The head scorer: how still, frontal, large and complete the one face of a clip is, by TalkVid's formulas.

May import `scoring.scorer`, `scoring.video`, `scoring.faces` and the modules of the ground (images, settings, weights).
"""
