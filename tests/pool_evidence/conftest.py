"""Fixtures of the tests of pool evidence."""

from pathlib import Path

import pytest

from app.models import Study
from tests.helpers import pool_studies
from tests.helpers.factories import StudyMaker


@pytest.fixture
def study(study_maker: StudyMaker, tmp_path: Path) -> Study:
    """A study of 30 of 60 clips, each judged by two people."""
    found = pool_studies.make(study_maker.database, study_maker.settings, tmp_path)
    pool_studies.judge(study_maker, found, pool_studies.clips_of(study_maker.database, found))
    return found
