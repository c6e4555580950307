"""How well a score follows the raters' mean opinion: correlations, mappings, pairs of clips, two scores compared.

Everything is weighted to the pool where clips have weights, with intervals that fit the sampling design. Imports the
ground, `agreement` and `consensus`.
"""
