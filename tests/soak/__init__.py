"""Attacks on a running server while raters work: `make soak` runs many rounds, the tests here one of each kind."""
