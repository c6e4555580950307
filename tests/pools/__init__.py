"""Tests of `app/pools/`."""
