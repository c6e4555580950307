"""Say what is wrong with the keys of a study, filter or design file: one sentence per key, for the file's author."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from app.errors import did_you_mean
from app.toml_text import place_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

LONGEST = 60
"""Characters of a value that a message repeats."""
MOST_SENTENCES = 40
"""Wrong keys that are told one by one."""
REMEDY = "Correct these lines and try again."
WORDS = {
    "missing": "it is missing, and this part of the file needs it",
    "string_type": "it must be a text in quotation marks",
    "string_too_short": "it is too short: the least number of characters is {min_length}",
    "string_too_long": "it is too long: the largest number of characters is {max_length}",
    "int_type": "it must be a whole number",
    "int_parsing": "it must be a whole number",
    "int_from_float": "it must be a whole number",
    "int_parsing_size": "it is too large",
    "float_type": "it must be a number",
    "float_parsing": "it must be a number",
    "finite_number": "it must be a finite number",
    "bool_type": "it must be true or false",
    "bool_parsing": "it must be true or false",
    "greater_than_equal": "it must be {ge} or more",
    "greater_than": "it must be more than {gt}",
    "less_than_equal": "it must be {le} or less",
    "less_than": "it must be less than {lt}",
    "literal_error": "it must be {expected}",
    "tuple_type": "it must be a list in square brackets",
    "too_short": "it has too few entries: the least number is {min_length}",
    "too_long": "it has too many entries: the largest number is {max_length}",
    "dict_type": "it must be a table",
    "model_type": "it must be a table",
    "model_attributes_type": "it must be a table",
    "value_error": "{error}",
}
"""What is wrong, by pydantic's type of error; the names in braces are what pydantic tells about it."""


def wrong_keys(error: ValidationError, text: str, name: str, model: object, *, more: Collection[str] = ()) -> list[str]:
    """A sentence for each wrong key of a TOML file: file, line, key, what is wrong, and what would be right.

    `text` and `name` are those of the file, `model` is the model (or union of models) that it was checked against, and
    `more` are the keys at the top of the file that the model does not know.
    """
    told = error.errors()[:MOST_SENTENCES]
    sentences = [_sentence(item, text, name, model, more) for item in told]
    left = error.error_count() - len(told)
    return [*sentences, f"{name}: {left:,} more keys are wrong."] if left else sentences


def _sentence(item: "ErrorDetails", text: str, name: str, model: object, more: Collection[str]) -> str:
    path, tables = _path(model, item["loc"])
    kind, context = item["type"], _context(item.get("ctx", {}))
    if kind.startswith("union_tag"):
        path.append(context["discriminator"].strip("'"))
        words = _choice([choice for table in tables for choice in _choices(table)], item["input"], str(path[-1]))
    elif kind == "extra_forbidden":
        known = [*(key for table in tables for key in table.model_fields), *(more if len(path) == 1 else ())]
        words = f"there is no such key. {did_you_mean(str(path[-1]), known) or 'Keys: ' + ', '.join(known) + '.'}"
    elif kind == "tuple_type" and tables:
        words = f"each is a table under [[{'.'.join(map(str, path))}]], with two brackets."
    else:
        words = f"{WORDS.get(kind, 'this value is not possible').format_map(context)}{_given(kind, item['input'])}."
    return f"{place_of(text, name, path)}: {words}"


def _path(model: object, location: Sequence[int | str]) -> tuple[list[int | str], list[type[BaseModel]]]:
    """The path of a key in the file, and the models of its table, or of its value if the key is a known one.

    Pydantic's location also has parts that the file lacks: the chosen design of several, and "[key]".
    """
    path: list[int | str] = []
    tables = list(_models(model))
    for part in location:
        if isinstance(part, int):
            path.append(part)
        elif any(part in table.model_fields for table in tables):
            path.append(part)
            values = [table.model_fields[part].annotation for table in tables if part in table.model_fields]
            tables = [found for value in values for found in _models(value)]
        elif len(tables) > 1:
            tables = [table for table in tables if part in _choices(table)]
        elif part != "[key]":
            path.append(part)
    return path, tables


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models in a type annotation, such as those of a union or of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _choices(table: type[BaseModel]) -> list[str]:
    """The words that choose this model among several: its field with a single possible text."""
    words = [get_args(field.annotation) for field in table.model_fields.values()]
    return [found[0] for found in words if len(found) == 1 and isinstance(found[0], str)]


def _choice(choices: list[str], given: object, key: str) -> str:
    value = given.get(key) if isinstance(given, dict) else None
    if value is None:
        return f"it is missing. Choose one of {', '.join(choices)}."
    return f"it must be one of {', '.join(choices)}{_given('', value)}. {did_you_mean(str(value), choices)}".rstrip()


def _context(facts: Mapping[str, Any]) -> dict[str, str]:
    """What pydantic tells about an error, as text; whole numbers without a decimal point."""
    return {key: f"{value:.15g}" if isinstance(value, int | float) else str(value) for key, value in facts.items()}


def _given(kind: str, value: object) -> str:
    """The value that the file has, in brackets; "" where it would tell nothing."""
    if isinstance(value, bool):
        return f" (it is {str(value).lower()})"
    if isinstance(value, str):
        return f" (it is {value if len(value) <= LONGEST else value[: LONGEST - 1] + '…'!r})"
    if isinstance(value, int | float):
        return f" (it is {value})"
    if kind.endswith("_type") and isinstance(value, dict | list):
        return f" (it is a {'table' if isinstance(value, dict) else 'list'})"
    return ""
