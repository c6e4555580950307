"""Tests of `app/report/`."""
