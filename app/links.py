"""The links that people need: what `clipjury serve` and `clipjury links` print."""

from sqlmodel import col, select

from app import auth, invite_lists, raters
from app.db import Database
from app.models import Study
from app.settings import Settings

HOST = "127.0.0.1"
"""Where the server listens: this machine alone."""


def links(settings: Settings, database: Database, *, port: int) -> list[str]:
    """The lines a person needs: the researcher's link, and each study's link for raters."""
    base = f"http://{HOST}:{port}"
    lines = [f"Researcher: {base}/researcher/{auth.researcher_key(settings)}"]
    with database.reader() as db:
        found = [one for one in db.exec(select(Study).order_by(col(Study.id))) if one.state != "archived"]
        for study in found:
            name = f" ({study.slug})" if len(found) > 1 else ""
            if invite_lists.has_first_link(settings, study):
                lines.append(f"Raters{name}: {base}{raters.open_link(settings, study)}")
    return lines
