"""How good the raters are: careless answering, gold clips, drift, repeats, the human ceiling, anchoring by scores.

Imports `agreement` and the ground.
"""
