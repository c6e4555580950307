"""Tests of `app/wizard/`."""
