"""The motion scorer: shake, sway, frozen frames, scene cuts, and the share of points that can be followed.

May import `scoring.scorer`, `scoring.video` and the modules of the ground (images, settings).
"""
