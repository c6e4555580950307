"""Export for Label Studio: JSON with one entry per clip and all answers, and the interface that shows them.

After its documentation (labelstud.io/guide/task_format): `data` holds what is shown, `annotations` people's answers,
`predictions` those of models. `completed_by` is left out, because on import it must be an account of the Label Studio
server; the rater's pseudonym is in the `meta` of each answer.
"""

import json
from collections import defaultdict
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as Xml  # nosec B405 # it writes XML here and reads none

from sqlalchemy import select
from sqlmodel import Session, col

from app.exchange import answers
from app.models import Criterion, Study, StudyClip
from app.studies import scales, whole_study

STORE = "/data/local-files/?d="
"""Beginning of a file's address in Label Studio's local storage; clips on the web keep their addresses."""
VIDEO = "video"


def files(db: Session, study: Study) -> dict[str, bytes]:
    """`clips.json` to import, `interface.xml` for the project's settings, and README.md, which says how."""
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
    """The XML of the interface: the video, then each criterion with the control of its scale."""
    view = Xml.Element("View")
    Xml.SubElement(view, "Video", name=VIDEO, value=f"${VIDEO}")
    for item in criteria:
        Xml.SubElement(view, "Header", value=f"{item.label}: {item.question}")
        shared = {"name": item.key, "toName": VIDEO, "required": str(item.required).lower()}
        control = scales.of(item).control
        element = Xml.SubElement(view, control.tag, shared | control.attributes)
        if control.tag == "Choices":
            for word in scales.of(item).words(item.options).values():
                Xml.SubElement(element, "Choice", value=word)
    Xml.indent(view)
    return Xml.tostring(view, encoding="unicode") + "\n"


def clips_json(db: Session, study: Study, criteria: dict[str, Criterion]) -> list[dict[str, Any]]:
    """An entry for each drawn clip, in the order of their names."""
    exported = answers.gather(db, study)
    people, models = _by_clip_and_rater(exported.rows), _by_clip_and_rater(exported.model_rows)
    query = select(StudyClip).where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == "sample")
    clips = {one.clip: one for one in db.execute(query.order_by(col(StudyClip.clip))).scalars()}
    return [
        {
            "id": number,
            "data": _data(clip),
            "annotations": [_annotation(rows, criteria, rater) for rater, rows in people[name].items()],
            "predictions": [
                {"model_version": rater, "result": _results(rows, criteria, rater)}
                for rater, rows in models[name].items()
            ],
        }
        for number, (name, clip) in enumerate(clips.items(), start=1)
    ]


def _by_clip_and_rater(rows: list[dict[str, Any]]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    grouped: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        grouped[row["clip"]][row["rater"]].append(row)
    return grouped


def _data(clip: StudyClip) -> dict[str, Any]:
    is_on_the_web = "://" in clip.media
    return {
        VIDEO: clip.media if is_on_the_web else STORE + quote(clip.media.rsplit("/", 1)[-1]),
        "clip": clip.clip,
        "source": clip.source,
        "duration": clip.duration,
        "stratum": clip.stratum,
        "inclusion_probability": clip.inclusion_probability,
        "scores": clip.scores,
    }


def _annotation(rows: list[dict[str, Any]], criteria: dict[str, Criterion], rater: str) -> dict[str, Any]:
    times = [row["answer_ms"] for row in rows if isinstance(row["answer_ms"], int | float)]
    return {
        "result": _results(rows, criteria, rater),
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": max(row["created_at"] for row in rows),
        "lead_time": max(times) / 1000 if times else None,
    }


def _results(rows: list[dict[str, Any]], criteria: dict[str, Criterion], rater: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{rater}-{row['assignment']}-{row['criterion']}",
            "from_name": row["criterion"],
            "to_name": VIDEO,
            **_value(criteria[row["criterion"]], row["value"]),
            "meta": {"rater": rater, "arm": row["arm"]},
        }
        for row in rows
    ]


def _value(item: Criterion, value: str) -> dict[str, Any]:
    control = scales.of(item).control
    answer = int(value) if control.is_number else scales.words_of(item, value)
    return {"type": control.tag.lower(), "value": {control.value_field: answer}}
