"""The demo: 24 real clips, a study of them, a simulated panel that has rated it, and a check that all of it works.

Its modules import every package; nothing but `app.cli` imports them.
"""
