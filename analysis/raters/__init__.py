"""How good the raters are: careless answering, gold clips, drift, repeats, the human ceiling, anchoring by scores.

`quality` flags single raters; the other modules describe all raters of a study, `talkvid_table` two raters and the
filters that they judge. Imports `agreement`, `filters` and the ground (the files of analysis/) only.
"""
