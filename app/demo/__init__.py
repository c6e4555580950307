"""The demo: clips made on the spot from freely usable faces, and a panel whose opinions are known."""
