"""Tables of ratings and scores in, estimates and figures out: a pure library that knows no application."""
