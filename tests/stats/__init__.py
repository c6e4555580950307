"""Tests of `app/stats/`."""
