"""Tests of `app/raters/`."""
