"""Routes: every web address. A handler parses the request, calls one function of a package below, and renders.

Its modules import every package except `app.commands`, and hold no SQL.
"""
