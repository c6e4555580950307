"""What the raters of a clip say together: majority verdict, mean opinion score, and models of rater skill and bias.

Imports the ground (`estimate`, `ratings`) only.
"""
