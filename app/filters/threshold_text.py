"""How a filter's threshold and a score are written for people, and whether a score is within the threshold."""


def passes(value: float, minimum: float | None, maximum: float | None) -> bool:
    """Whether a filter accepts a score; both limits are inclusive, None is no limit."""
    return (minimum is None or value >= minimum) and (maximum is None or value <= maximum)


def threshold_text(minimum: float | None, maximum: float | None) -> str:
    """A threshold in signs: `≥ 80`, `≤ 0.1`, `0.85 – 0.999`; at least one of the limits is a number."""
    if minimum is not None and maximum is not None:
        return f"{minimum:g}\u2009–\u2009{maximum:g}"
    return f"≥ {minimum:g}" if minimum is not None else f"≤ {maximum:g}"


def short_number(value: float) -> str:
    """A score with about three significant figures: 97.9, 0.915, 1 240."""
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f}".replace(",", "\u2009").replace("-", "\u2212")
