"""Every address with what each kind of visitor is answered: one row per method and address."""

from tests.helpers.factories import form

RATERS_ONLY = (401, 403, 200, 401)
RESEARCHER_ONLY = (401, 403, 403, 200)
RULING = {"criterion": "verdict", "value": "accept", "reason": "looked at it"}
# Method, address, form, and what each of ROLES is answered. The right rater comes before the researcher.
TABLE: tuple[tuple[str, str, dict[str, str], tuple[int, int, int, int]], ...] = (
    ("GET", "/", {}, (200, 303, 303, 303)),
    ("GET", "/healthz", {}, (200, 200, 200, 200)),
    ("GET", "/readyz", {}, (200, 200, 200, 200)),
    ("GET", "/static/app.css", {}, (200, 200, 200, 200)),
    ("GET", "/researcher/{key}", {"key": "no-such-key"}, (403, 403, 403, 403)),
    ("POST", "/sign-in", {"key": "no-such-key"}, (401, 401, 401, 401)),
    ("GET", "/join/{token}", {}, (200, 200, 303, 200)),
    ("GET", "/rate", {}, (401, 303, 200, 401)),
    *(
        ("GET", f"/rate/{step}", {}, (401, 303, 303, 401))
        for step in ("consent", "device", "training", "qualification", "closed", "ended")
    ),
    ("GET", "/rate/training/{assignment_id}", {}, (401, 403, 303, 401)),
    ("POST", "/rate/consent", {"agree": "yes", "text": "x"}, (401, 303, 303, 401)),
    ("POST", "/rate/device", {}, (401, 303, 303, 401)),
    ("GET", "/rate/guidelines", {}, (401, 200, 303, 401)),
    ("GET", "/rate/return", {}, (401, 200, 200, 401)),
    ("GET", "/rate/answers", {}, (401, 200, 200, 401)),
    ("POST", "/language", {"language": "en"}, (401, 303, 303, 401)),
    ("POST", "/rate/start", {}, (401, 303, 303, 401)),
    ("POST", "/rate/{assignment_id}/alive", {}, (401, 204, 204, 401)),
    ("GET", "/media/{key}.mp4", {}, (401, 403, 200, 200)),
    ("GET", "/studies", {}, RESEARCHER_ONLY),
    ("GET", "/studies/new", {}, RESEARCHER_ONLY),
    ("POST", "/studies/new", {}, (401, 403, 403, 400)),
    *(
        (method, f"/studies/new/{{key}}/{place}", {}, (401, 403, 403, 422))
        for method, place in (
            ("POST", "forget"),
            ("GET", "filters"),
            ("POST", "filters"),
            ("GET", "design"),
            ("POST", "design"),
            ("GET", "clips"),
            ("GET", "posters/{row}.jpg"),
            ("GET", "questions"),
            ("POST", "questions"),
            ("GET", "review"),
            ("POST", "review"),
            ("POST", "make"),
            ("GET", "making"),
        )
    ),
    ("GET", "/studies/{slug}", {}, RESEARCHER_ONLY),
    ("GET", "/studies/{slug}/study.toml", {}, RESEARCHER_ONLY),
    ("GET", "/studies/{slug}/results", {}, RESEARCHER_ONLY),
    ("GET", "/studies/{slug}/filters/{name}", {}, RESEARCHER_ONLY),
    ("GET", "/studies/{slug}/figures/{name}.json", {}, RESEARCHER_ONLY),
    ("GET", "/studies/{slug}/figures/{name}.svg", {}, RESEARCHER_ONLY),
    ("GET", "/studies/{slug}/judgments.csv", {}, RESEARCHER_ONLY),
    ("GET", "/studies/{slug}/estimates.json", {}, RESEARCHER_ONLY),
    ("GET", "/studies/{slug}/agreement", {}, RESEARCHER_ONLY),
    ("GET", "/studies/{slug}/agreement/raters/{pseudonym}", {}, RESEARCHER_ONLY),
    ("GET", "/studies/{slug}/agreement/clips", {}, RESEARCHER_ONLY),
    ("POST", "/studies/{slug}/agreement/clips/{number}", RULING, (401, 403, 403, 303)),
    ("GET", "/studies/{slug}/agreement/figures/{name}.json", {}, (401, 403, 403, 404)),
    ("GET", "/studies/{slug}/agreement/figures/{name}.svg", {}, (401, 403, 403, 404)),
    *(
        ("GET", f"/studies/{{slug}}/{place}", {}, RESEARCHER_ONLY)
        for place in ("pool", "fairness", "anchoring", "next")
    ),
    ("GET", "/studies/{slug}/next/drawing", {}, (401, 403, 403, 303)),
    ("POST", "/studies/{slug}/next", {"clips": "0"}, (401, 403, 403, 422)),
    ("GET", "/studies/{slug}/consequences/figures/{name}.json", {}, (401, 403, 403, 404)),
    ("GET", "/studies/{slug}/consequences/figures/{name}.svg", {}, (401, 403, 403, 404)),
    ("POST", "/studies/{slug}/simulated", {"on": "true"}, (401, 403, 403, 303)),
    ("POST", "/studies/{slug}/state", {"state": "open"}, (401, 403, 403, 303)),
    ("POST", "/studies/{slug}/clone", {}, (401, 403, 403, 409)),  # its pool is not there
    ("GET", "/studies/{slug}/progress", {}, RESEARCHER_ONLY),
    ("GET", "/studies/{slug}/raters", {}, RESEARCHER_ONLY),
    ("POST", "/studies/{slug}/raters/personal", {"name": " "}, (401, 403, 403, 422)),
    ("POST", "/studies/{slug}/raters/open", {"cap": "many"}, (401, 403, 403, 422)),
    ("POST", "/studies/{slug}/raters/list", {}, (401, 403, 403, 422)),
    *(
        ("POST", f"/studies/{{slug}}/raters/{place}", {}, (401, 403, 403, 404))  # no such rater, no such link
        for place in ("{number}/link", "{number}/withdraw", "open/{number}/withdraw")
    ),
    *(
        (method, f"/studies/{{slug}}/filters/{{name}}/workbench{place}", sent, (401, 403, 403, 400))  # nothing judged
        for method, place, sent in (
            ("GET", "", {}),
            ("GET", ".json", {}),
            ("GET", "/figures/{figure}.json", {}),
            ("GET", "/figures/{figure}.svg", {}),
            ("POST", "/adopt", {"end": "min", "threshold": "85"}),
        )
    ),
    ("GET", "/studies/{slug}/cascade", {}, (401, 403, 403, 404)),  # one filter alone
    ("GET", "/studies/{slug}/filters/{name}/pair", {}, (401, 403, 403, 404)),  # likewise
    ("GET", "/studies/{slug}/filters/{name}/pair/{rate}.json", {}, (401, 403, 403, 404)),
    ("GET", "/studies/{slug}/filters/{name}/pair/{rate}.svg", {}, (401, 403, 403, 404)),
    ("GET", "/studies/{slug}/report", {}, RESEARCHER_ONLY),
    *(
        ("GET", f"/studies/{{slug}}/report{place}", {}, (401, 403, 403, 404))  # nothing made yet
        for place in ("/report.html", "/report.pdf", ".zip")
    ),
    ("POST", "/studies/{slug}/report", {}, (401, 403, 403, 409)),  # nobody has answered
    ("GET", "/studies/{slug}/export/{form}.zip", {}, RESEARCHER_ONLY),
    ("POST", "/studies/{slug}/report/answers", {"limits": "few clips"}, (401, 403, 403, 303)),
    ("GET", "/studies/{slug}/plan", {}, RESEARCHER_ONLY),
    ("GET", "/studies/{slug}/plan/{number}.md", {}, (401, 403, 403, 404)),
    ("POST", "/studies/{slug}/plan", {"act": "amend", "objective": "f1"}, (401, 403, 403, 409)),
    ("GET", "/studies/{slug}/filters.toml", {}, RESEARCHER_ONLY),
    ("GET", "/studies/{slug}/head_threshold.yml", {}, RESEARCHER_ONLY),
    ("POST", "/rate/{assignment_id}", form("by-the-table"), (401, 403, 303, 401)),
    ("GET", "/rate/{assignment_id}", {}, RATERS_ONLY),
    ("POST", "/rate/{assignment_id}/skip", {"reason": "other"}, (401, 403, 303, 401)),
    ("POST", "/rate/return", {}, (401, 303, 303, 401)),
    ("POST", "/join/{token}", {"name": "Someone"}, (303, 303, 303, 303)),
    ("POST", "/studies/{slug}/raters/open/first/withdraw", {}, (403, 403, 403, 303)),  # all have joined by now
    ("POST", "/sign-out", {}, (303, 303, 303, 303)),
)
