"""Choosing thresholds: for an objective, or with a guarantee of precision or recall; for one filter or a cascade.

`sweeps` searches, `calibration` and `cascade` choose, `precision_guarantee`, `recall_guarantee` and `cascade_guarantee`
guarantee a rate with a stated confidence. Imports `filters` and the ground (the files of analysis/) only.
"""
