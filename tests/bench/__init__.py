"""`make bench`: measure and print; nothing here fails on a slow machine."""
