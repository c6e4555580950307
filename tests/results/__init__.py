"""Tests of `app/results/`."""
