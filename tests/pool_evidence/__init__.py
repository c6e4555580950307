"""Tests of `app/pool_evidence/`."""
