"""Where the repository, its fixtures and the material shared beside it lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
SHARED = ROOT.parent / "shared"
"""Real clips and ratings, not part of the repository: tests that use them skip, saying so, where they are absent."""
