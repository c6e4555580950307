"""Export for Label Studio: JSON with one entry per clip and all answers, and the interface that shows them.

After its documentation (labelstud.io/guide/task_format): `data` holds what is shown, `annotations` people's answers,
`predictions` those of models. `completed_by` stays out: on import it must be an account of that server; the rater's
pseudonym stands in each answer's `meta`.
"""

import json
from collections import defaultdict
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as Xml

from sqlalchemy import select
from sqlmodel import Session, col

from app.exchange import answers
from app.models import Criterion, Study, StudyClip
from app.studies import scales, whole_study

STORE = "/data/local-files/?d="
"""Address of a file in Label Studio's local storage; a pool's own web addresses are kept as they are."""
VIDEO = "video"


def files(db: Session, study: Study) -> dict[str, bytes]:
    """`clips.json` to import, `interface.xml` for the project's settings, and a few words."""
    criteria = whole_study.parts(db, study.id).criteria
    whole = clips_json(db, study, {item.key: item for item in criteria})
    return {
        "clips.json": (json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode(),
        "interface.xml": interface(criteria).encode(),
        "README.md": README.format(name=study.name).encode(),
    }


README = """# {name}, for Label Studio

1. Make a project and paste `interface.xml` under Settings, Labeling Interface, Code.
2. Put the videos where Label Studio finds them (local storage: the file names after `?d=` in `clips.json`).
3. Import `clips.json`: each clip comes with everybody's answers; ratings of models come as predictions.

Raters are pseudonyms: `meta.rater` of each answer.
"""


def interface(criteria: tuple[Criterion, ...]) -> str:
    """The interface's XML: the video, then each criterion in the control that fits its scale."""
    view = Xml.Element("View")
    Xml.SubElement(view, "Video", name=VIDEO, value=f"${VIDEO}")
    for item in criteria:
        Xml.SubElement(view, "Header", value=f"{item.label}: {item.question}")
        shared = {"name": item.key, "toName": VIDEO, "required": str(item.required).lower()}
        control = scales.of(item).control
        shown = Xml.SubElement(view, control.tag, shared | control.attributes)
        if control.tag == "Choices":
            for word in scales.of(item).words(item.options).values():
                Xml.SubElement(shown, "Choice", value=word)
    Xml.indent(view)
    return Xml.tostring(view, encoding="unicode") + "\n"


def clips_json(db: Session, study: Study, criteria: dict[str, Criterion]) -> list[dict[str, Any]]:
    """The entries in the order of the clips' names."""
    known = answers.gather(db, study)
    given: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    said: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for target, found in ((given, known.rows), (said, known.models)):
        for row in found:
            target[row["clip"]][row["rater"]].append(row)
    query = select(StudyClip).where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")
    clips = {one.clip: one for one in db.execute(query.order_by(col(StudyClip.clip))).scalars()}
    return [
        {
            "id": number,
            "data": _data(clip),
            "annotations": [_answer(found, criteria, rater) for rater, found in given[name].items()],
            "predictions": [
                {"model_version": rater, "result": _results(found, criteria, rater)}
                for rater, found in said[name].items()
            ],
        }
        for number, (name, clip) in enumerate(clips.items(), start=1)
    ]


def _data(clip: StudyClip) -> dict[str, Any]:
    web = "://" in clip.media
    return {
        VIDEO: clip.media if web else STORE + quote(clip.media.rsplit("/", 1)[-1]),
        "clip": clip.clip,
        "source": clip.source,
        "duration": clip.duration,
        "stratum": clip.stratum,
        "inclusion_probability": clip.inclusion_probability,
        "scores": clip.scores,
    }


def _answer(found: list[dict[str, Any]], criteria: dict[str, Criterion], rater: str) -> dict[str, Any]:
    times = [row["answer_ms"] for row in found if isinstance(row["answer_ms"], int | float)]
    return {
        "result": _results(found, criteria, rater),
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": max(row["created_at"] for row in found),
        "lead_time": max(times) / 1000 if times else None,
    }


def _results(found: list[dict[str, Any]], criteria: dict[str, Criterion], rater: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{rater}-{row['assignment']}-{row['criterion']}",
            "from_name": row["criterion"],
            "to_name": VIDEO,
            **_value(criteria[row["criterion"]], row["value"]),
            "meta": {"rater": rater, "arm": row["arm"]},
        }
        for row in found
    ]


def _value(item: Criterion, value: str) -> dict[str, Any]:
    control = scales.of(item).control
    said = int(value) if control.is_number else scales.words_of(item, value)
    return {"type": control.tag.lower(), "value": {control.value_field: said}}
