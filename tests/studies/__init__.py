"""Tests of `app/studies/`."""
