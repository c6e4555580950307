"""Tests of `scoring/`."""
