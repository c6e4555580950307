"""Schemathesis against the interface for programs: requests made from its description, with a real token."""

import subprocess
import sys

from app import api_tokens
from app.db import Database

RUN = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"]
EXCLUDED = "positive_data_acceptance"
"""This check wants every request of the right form to be accepted, but a clip's name is right in one study only."""
PHASES = "examples,coverage,fuzzing,stateful"


def violations(database: Database, base: str, *, seed: int, examples: int, phases: str = PHASES) -> list[str]:
    """What schemathesis finds wrong: answers of 500, and answers that the description does not promise."""
    with database.writer() as db:
        token = api_tokens.create(db, f"schemathesis {seed} {phases}", list(api_tokens.SCOPES))
    api = f"{base}/api/v1"
    options = ["--url", api, "--header", f"Authorization: Bearer {token}", "--no-color", "--continue-on-failure"]
    options += ["--checks", "all", "--exclude-checks", EXCLUDED, "--wait-for-schema", "60", "--phases", phases]
    options += ["--max-examples", str(examples), "--seed", str(seed)]
    ended = subprocess.run([*RUN, f"{api}/openapi.json", *options], capture_output=True, text=True, check=False)
    return [] if ended.returncode == 0 else [f"schemathesis: {ended.stdout[-6000:]}{ended.stderr[-2000:]}"]
