"""Why estimates on the results page are undefined: each reason once, with the questions or filters it concerns."""

from app.results.filter_results import FilterResult
from app.results.study_results import Results


def of_agreement(results: Results) -> dict[str, list[str]]:
    """Map each reason why an agreement statistic is undefined to the labels of the questions it concerns."""
    labels_of: dict[str, list[str]] = {}
    for criterion in results.criteria:
        undefined = (estimate.undefined for estimate in criterion.estimates.values())
        for reason in dict.fromkeys(reason for reason in undefined if reason):
            labels_of.setdefault(reason, []).append(criterion.label)
    return labels_of


def of_filters(results: Results) -> dict[str, list[str]]:
    """Map each reason why a value in the filter table is undefined to the titles of the filters it concerns."""
    titles_of: dict[str, list[str]] = {}
    for result in results.filters:
        for reason in sorted(_of_filter(result)):
            titles_of.setdefault(reason, []).append(result.rule.title)
    return titles_of


def _of_filter(result: FilterResult) -> set[str]:
    found = set()
    if result.current is not None:
        found |= {reason for reason in (result.missing.get("best"), result.missing.get("curve")) if reason}
        if result.rule.minimum is not None and result.rule.maximum is not None:
            found.add("the filter has two ends; AUC and best threshold move the lower one and leave the upper out")
        rates = (result.current.precision, result.current.recall, result.current.f1)
        found |= {rate.undefined for rate in rates if rate.undefined}
    if result.curve is not None and result.curve.auc.undefined:
        found.add(result.curve.auc.undefined)
    return found
