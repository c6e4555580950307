"""Tests of `app/rating/`."""
