"""Tests of `app/sampling/`."""
