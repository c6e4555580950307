"""Scorers of single pictures: technical quality (sharpness, light, noise, BRISQUE and others) and text in the picture.

May import `scoring.scorer`, `scoring.video`, `scoring.faces` and the modules of the ground (images, settings, weights).
"""
