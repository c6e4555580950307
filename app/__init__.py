"""ClipJury: the web application and the command line; the only place where scoring and analysis meet."""

__version__ = "0.1.0"
