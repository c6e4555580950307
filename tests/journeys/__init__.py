"""Tests that cross several packages: the command line, the demo, migrations, whole ways through the pages."""
