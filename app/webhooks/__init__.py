"""Webhooks: telling other programs that a study was closed, signed, with retries, in a background thread.

Its modules import the ground floor only.
"""
