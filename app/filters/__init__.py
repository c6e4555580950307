"""Filters: files of filters and thresholds, which filters apply to a pool, and what each stage retains.

`clipjury filter` and the pages of a pool use these modules. They import the ground floor and `scoring.filters` only.
"""
