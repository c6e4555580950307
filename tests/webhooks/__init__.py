"""Tests of `app/webhooks/`."""
