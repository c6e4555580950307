"""Statistics and figures from tables of ratings and scores: a pure library that imports neither app nor scoring.

The files here are the ground that every package may import: `estimate` (a result with its interval), `ratings`,
`design` (how clips were sampled), `resampling`, `proportions` and `number_format`. From the top down, a package
imports packages of lower lines only (`prediction_powered` is a single file):

    figures
    thresholds    sampling    raters    association    prediction_powered
    filters       agreement   consensus
    the files here
"""
