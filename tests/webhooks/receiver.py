"""A receiver of webhooks on this machine, and what makes it hear of a study."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from app.db import Database
from app.models import Study
from app.settings import Settings
from app.studies import lifecycle
from app.webhooks import webhooks


class Receiver:
    """A real HTTP server that keeps what it is sent and answers as it is told, 200 when told nothing.

    It answers while `may_answer` is set.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        heard, waiting, may_answer = self.heard, self.answers, self.may_answer

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                heard.append((self.path, dict(self.headers), body))
                may_answer.wait()
                status = waiting.pop(0) if waiting else 200
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/closed?x=1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def end(self) -> None:
        """Stop serving."""
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def added(database: Database, settings: Settings, study: Study, url: str) -> str:
    """A webhook; its secret."""
    with database.writer() as db:
        return webhooks.add(db, settings, lifecycle.by_slug(db, study.slug), url)


def moved(database: Database, study: Study, state: lifecycle.State) -> None:
    """The study in another state."""
    with database.writer() as db:
        lifecycle.change_state(db, lifecycle.by_slug(db, study.slug), state)
