"""Tests of `app/filters/`."""
