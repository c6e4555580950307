"""Databases that a test makes itself."""

from collections.abc import Callable

EmptyDatabase = Callable[[str], str]
"""Makes a database without tables (the `empty_database` fixture): its kind, sqlite or postgresql, gives its URL.

The URL of an SQLite database is empty: it lies in the home folder of the settings.
"""
