"""Tests of `app/monitoring/`."""
