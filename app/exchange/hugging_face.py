"""Export for Hugging Face's `datasets`: a Parquet file per configuration, and a data card with YAML front matter.

After huggingface.co/docs/hub/datasets-cards and datasets-manual-configuration: `configs` in the front matter of
README.md names the files of each configuration and split.
"""

from io import BytesIO
from typing import Any

import polars as pl
import yaml
from sqlmodel import Session

from app import __version__
from app.exchange import answers
from app.models import Study
from app.report import author, exports, facts, methods
from app.results import study_results
from app.studies import lifecycle

JUDGMENTS, CLIPS = "judgments/train-00000-of-00001.parquet", "clips/train-00000-of-00001.parquet"
COLUMNS = {
    "clip": (pl.String, "name of the clip in the pool"),
    "source": (pl.String, "the video it was cut from"),
    "stratum": (pl.String, "stratum of the sample"),
    "inclusion_probability": (pl.Float64, "probability of being drawn"),
    "weight": (pl.Float64, "clips of the pool that this one stands for; empty where none can"),
    "criterion": (pl.String, "the question"),
    "rater": (pl.String, "pseudonym: R1, R2, ..."),
    "value": (pl.String, "the answer, its last revision"),
    "revision": (pl.Int64, "how often it was given, the first included"),
    "arm": (pl.String, "whether the automated scores were shown, hidden, or shown after the answer"),
    "guidelines": (pl.String, "hash of the guidelines in force"),
    "answer_ms": (pl.Float64, "milliseconds from seeing the clip to the answer"),
    "created_at": (pl.String, "when, UTC"),
}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def files(db: Session, study: Study) -> dict[str, bytes]:
    """README.md, judgments and clips as Parquet, and estimates.json."""
    exported = answers.gather(db, study)
    results = study_results.compute(db, study, study_results.kind_of(study))
    judgments = pl.DataFrame(
        [[row[name] for name in COLUMNS] for row in exported.rows],
        schema={name: dtype for name, (dtype, _description) in COLUMNS.items()},
        orient="row",
    )
    clips = _clips(db, study)
    author_answers = author.saved(db, study)
    paragraph = methods.paragraph(facts.gather(db, study, results))
    card = _card(study, judgments, clips, author_answers, paragraph, simulated=exported.kind == "simulated")
    return {
        "README.md": card.encode(),
        JUDGMENTS: _encoded(judgments),
        CLIPS: _encoded(clips),
        "estimates.json": exports.estimates_json(db, study, results).encode(),
    }


def _clips(db: Session, study: Study) -> pl.DataFrame:
    rows = exports.clip_rows(db, study)
    names = sorted({name for row in rows for name, value in row["scores"].items() if _is_number(value)})
    columns: dict[str, list[Any]] = {
        name: [row[name] for row in rows]
        for name in ("clip", "source", "criterion", "stratum", "inclusion_probability", "weight", "duration")
    }
    for name in names:
        values = [row["scores"].get(name) for row in rows]
        columns[f"score_{name}"] = [float(value) if _is_number(value) else None for value in values]
    dtypes = {"criterion": pl.String} | {f"score_{name}": pl.Float64 for name in names}
    return pl.DataFrame(columns, schema_overrides=dtypes)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _encoded(table: pl.DataFrame) -> bytes:
    target = BytesIO()
    table.write_parquet(target, compression="zstd")
    return target.getvalue()


def _card(
    study: Study,
    judgments: pl.DataFrame,
    clips: pl.DataFrame,
    author_answers: dict[str, str],
    methods_paragraph: str,
    *,
    simulated: bool,
) -> str:
    front_matter = _front_matter(study, judgments, simulated=simulated)
    questions = author.QUESTIONS.items()
    parts = [
        f"---\n{yaml.safe_dump(front_matter, sort_keys=False, allow_unicode=True)}---",
        f"# {study.name}",
        *(["**Simulated raters:** programs voted here; no person's answer is in this dataset."] if simulated else []),
        f"{judgments.height} answers by {judgments['rater'].n_unique()} raters on {clips.height} drawn clips, exported "
        f"by ClipJury {__version__}. Videos are not part of it.",
        "## How it was made",
        methods_paragraph,
        *[f"- {note}" for note in lifecycle.notes(study)],
        "## Columns of `judgments`",
        "\n".join(f"- `{name}`: {description}" for name, (_dtype, description) in COLUMNS.items()),
        "## Columns of `clips`",
        "One row per drawn clip: its stratum, inclusion probability, weight, and every score as `score_<name>`.",
        "## What the authors say",
        "\n".join(f"- **{question}**: {author_answers.get(key, '*not answered*')}" for key, question in questions),
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(study: Study, judgments: pl.DataFrame, *, simulated: bool) -> dict[str, Any]:
    size = next((name for limit, name in SIZES if judgments.height < limit), "1M<n<10M")
    return {
        "pretty_name": study.name,
        "license": "unknown",
        "task_categories": ["video-classification"],
        "tags": ["video-quality", "human-judgments", "clipjury", *(["simulated"] if simulated else [])],
        "size_categories": [size],
        "configs": [
            {
                "config_name": name,
                "data_files": [{"split": "train", "path": f"{name}/train-*"}],
                **({"default": True} if name == "judgments" else {}),
            }
            for name in ("judgments", "clips")
        ],
    }
