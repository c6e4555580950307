"""Contact sheets: a picture and a JSON file per clip that show what its scores rest on, second by second.

May import everything in scoring but `scoring.runners.score_files` and `scoring.segmenting`.
"""
