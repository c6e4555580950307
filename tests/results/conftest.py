"""Studies that several tests of the results share."""

import pytest

from app.models import Study
from tests.helpers.factories import StudyMaker, answers
from tests.helpers.rated_studies import DISPUTED_VERDICTS, nine_clips, verdicts, vote


@pytest.fixture
def judged(study_maker: StudyMaker) -> Study:
    """Nine clips of every kind and two raters, who differ on one of the seven clips with two verdicts."""
    return nine_clips(study_maker)


@pytest.fixture
def disputed(study_maker: StudyMaker) -> Study:
    """Nine clips and three raters, who differ on some of them."""
    study = study_maker(clips=9, raters_per_clip=3, with_media=False)
    for number, (name, values) in enumerate(DISPUTED_VERDICTS.items()):
        plan = {place: one | answers(quality=1 + (place + number) % 5) | one for place, one in verdicts(values).items()}
        vote(study_maker, study, name, plan)
    return study
