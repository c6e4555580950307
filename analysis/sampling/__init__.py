"""Which clips to show to raters: draws whose inclusion probabilities are known and kept.

`ranks` gives every clip a random number, `strata` divide the pool, `allocation` shares the sample out, `limits`
hold sources back, `selection` draws; `rejects`, `boundary` and `twophase` are the designs of filter studies.
`stratified` and `borderline` here take plain lists.
"""

from analysis.sampling.lists import Allocation, borderline, stratified
from analysis.sampling.selection import Draw
from analysis.sampling.strata import NO_SCORE, Stratum, bands

__all__ = ["NO_SCORE", "Allocation", "Draw", "Stratum", "bands", "borderline", "stratified"]
