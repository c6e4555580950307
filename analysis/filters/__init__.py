"""How good a filter is: its rates against the raters' consensus, its ROC curve, its errors by subgroup.

Everything here describes a given filter; `thresholds` chooses one. Imports the ground (`estimate`, `design`,
`resampling`, `proportions`) only.
"""
