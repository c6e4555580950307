"""Tests of `app/thresholds/`."""
