"""Questions as the rating page shows them, each with its options and the keys that choose them."""

from collections.abc import Mapping, Sequence

from app.models import Criterion
from app.rating.room_view import CriterionView, Option
from app.studies import scales
from app.studies.scales import Choice, RatingScale

FREE_LETTERS = "DFHJKCVXTYEQIOP"
"""Letters that the rating page does not use for anything else, the easiest to reach first."""
PREFIXES = (("", ""), ("⇧", "Shift+"))
"""How the digit keys of the first and of the second question with digits are printed, and what the keyboard sends."""


def views(asked: Sequence[Criterion], chosen: Mapping[int, str]) -> tuple[CriterionView, ...]:
    """The questions with their keys: the first graded scale takes 1-5, the second Shift+1-5, verdicts A R U, tags
    letters that are free. `chosen` has stored answers by the criterion's id."""
    made = []
    keys = _Keys()
    for item in asked:
        scale = scales.of(item)
        value = chosen.get(item.id)
        made.append(
            CriterionView(
                key=item.key,
                label=item.label,
                question=item.question,
                options=keys.given_to(scale, scale.shown(item.options)),
                block=scale.block,
                chosen=value,
                selected=frozenset(scale.parts(value)) if value else frozenset(),
                required=item.required,
                own_words=bool(item.options),
            )
        )
    return tuple(made)


class _Keys:
    """The keys of one page, each given to one answer only."""

    def __init__(self) -> None:
        self.with_digits = 0
        self.letters: set[str] = set()

    def given_to(self, scale: RatingScale, choices: Sequence[Choice]) -> tuple[Option, ...]:
        """The answers of one question, with the scale's keys if they are free; others are chosen by Tab and arrows."""
        if scale.keys == "digits":
            return self._digits(choices)
        free = [letter for letter in FREE_LETTERS if letter not in self.letters] if scale.keys == "free" else []
        letters = [choice.key for choice in choices] if scale.keys == "own" else free
        if scale.keys == "own" and self.letters & set(letters):
            letters = []
        return tuple(
            self._with_letter(choice, letter)
            for choice, letter in zip(choices, [*letters, *[""] * len(choices)], strict=False)
        )

    def _digits(self, choices: Sequence[Choice]) -> tuple[Option, ...]:
        """1, 2, ... in the order of the steps; the tenth step has 0, later ones have none."""
        printed, sent = PREFIXES[self.with_digits] if self.with_digits < len(PREFIXES) else ("", "")
        with_keys = min(10, len(choices)) if self.with_digits < len(PREFIXES) else 0
        self.with_digits += 1
        keys = [str(step % 10) for step in range(1, with_keys + 1)]
        return tuple(
            Option(choice.value, choice.word, printed + digit if digit else "", f"{sent}Digit{digit}" if digit else "")
            for choice, digit in zip(choices, [*keys, *[""] * len(choices)], strict=False)
        )

    def _with_letter(self, choice: Choice, letter: str) -> Option:
        self.letters |= {letter} if letter else set()
        return Option(choice.value, choice.word, letter, f"Key{letter}" if letter else "")
