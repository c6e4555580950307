"""How well raters agree: one entry per statistic, kappas, intraclass correlations, each rater against the others.

`statistics` is the registry that pages, files and the command line read; `coefficients` computes what it lists.
Imports the ground (`estimate`, `ratings`, `resampling`, `proportions`) only.
"""
