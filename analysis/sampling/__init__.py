"""Which clips raters see: probability samples whose inclusion probabilities are known, and how large they must be.

`random_numbers` gives every clip its number, `strata` divide the pool, `allocation` and `two_phase` share the sample
out, `selection` draws. Imports the ground, and `agreement` for the sample size of alpha.
"""
