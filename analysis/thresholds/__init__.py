"""Choosing thresholds: for an aim, with a guarantee of precision or recall, for one filter or a cascade of them.

`sweeps` searches, `calibration` and `cascade` choose, `precision_guarantee`, `recall_guarantee` and `cascade_guarantee`
promise a rate with a stated confidence. Imports `filters` and the ground.
"""
