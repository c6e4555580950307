"""Commands: the `clipjury` subcommands. Each parses its options, calls a package below, and prints.

Its modules import every package except `app.routes`.
"""
