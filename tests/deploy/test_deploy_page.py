"""The commands of docs/deploy.md: valid for the shell; files, options and services exist; settings are accepted."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer.main
import yaml

from app.cli import cli
from app.settings import Settings
from app.web import public_address
from tests.helpers.proxies import DEPLOY, replaced

ROOT = DEPLOY.parent
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^ *```sh\n(.*?)^ *```$", PAGE, re.MULTILINE | re.DOTALL)
LINES = [line.strip() for block in BLOCKS for line in block.splitlines()]


def test_the_shell_understands_every_block() -> None:
    """Each block of commands is valid for /bin/sh."""
    assert len(BLOCKS) >= 12
    for block in BLOCKS:
        ended = subprocess.run(["/bin/sh", "-n", "-c", block], capture_output=True, text=True)
        assert (ended.returncode, ended.stderr) == (0, ""), block


def named_commands() -> list[list[str]]:
    """The words after `clipjury` of every command on the page and in the files of deploy/."""
    files = (DEPLOY / name for name in ("compose.yaml", "Dockerfile", "clipjury.service", "clipjury-backup.service"))
    text = "\n".join([*LINES, *re.findall(r"`([^`\n]+)`", PAGE), *(file.read_text(encoding="utf-8") for file in files)])
    found = re.findall(
        r"(?:bin/clipjury|clipjury-run|exec app clipjury|'clipjury|; do clipjury) ([a-z][^&|;'`\n]*)", text
    )
    return [shlex.split(words.replace('"', "")) for words in found]


def test_every_clipjury_command_exists_with_its_options() -> None:
    """Names of commands and options on the page, in compose.yaml and in the units are those of the program."""
    commands = named_commands()
    assert {words[0] for words in commands} >= {"links", "invite", "serve", "backup", "restore", "move-to", "check"}
    programs = typer.main.get_command(cli).commands  # type: ignore[attr-defined]  # it is a group
    for words in commands:
        command = programs[words[0]]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, words


def test_every_file_that_a_command_names_exists() -> None:
    """Files of deploy/ that are installed, and the files of the checkout that pip reads."""
    named = set(re.findall(r"\bdeploy/[\w.-]+", "\n".join(LINES)))
    assert len(named) >= 6
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert (ROOT / "requirements.lock").exists()
    assert os.access(DEPLOY / "clipjury-run", os.X_OK)


def test_compose_commands_name_services_and_volumes_that_exist() -> None:
    """The words after `docker compose run`, `exec` and `cp`, and the volumes in the text."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
    for line in LINES:
        if found := re.search(r"docker compose (?:run|exec)((?: -\S+)*) (\w+)", line):
            assert found.group(2) in services, line
        if found := re.search(r"docker compose cp \S+ (\w+):", line):
            assert found.group(1) in services, line
    assert not [
        line for line in LINES if "/data/" in line and " app " not in line and "backup" not in line and "cp" not in line
    ]


def test_the_settings_of_the_page_are_accepted() -> None:
    """Each `CLIPJURY_...=...` that a command writes into a file of settings, all together."""
    written = re.findall(
        r"echo ['\"]CLIPJURY_(\w+)=(.*)['\"] [|>]", "\n".join(LINES).replace("$NAME", "jury.example.org")
    )
    assert {name for name, _value in written} == {"PUBLIC_URL", "MEDIA_ACCEL", "DATABASE_URL"}
    settings = Settings(uds="/run/clipjury/http.sock", **{name.lower(): value.strip('"') for name, value in written})
    public_address.check(settings)
    assert settings.address == "https://jury.example.org"


def test_the_table_of_settings_is_right() -> None:
    """Each option is an option of `serve`, each setting one of Settings."""
    rows = re.findall(r"^\| (`--([\w-]+)`)? ?\| `CLIPJURY_(\w+)` \|", PAGE, re.MULTILINE)
    assert len(rows) == 10
    serve = typer.main.get_command(cli).commands["serve"]  # type: ignore[attr-defined]  # it is a group
    options = {option for parameter in serve.params for option in parameter.opts}
    for _cell, option, setting in rows:
        assert setting.lower() in Settings.model_fields
        assert not option or (f"--{option}" in options and option.replace("-", "_") == setting.lower())


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root may run a command as another user (setpriv)"
)
def test_clipjury_run_has_the_settings_of_the_service(tmp_path: Path) -> None:
    """Those of /etc/clipjury/env and the data folder, in which it runs; what it writes is for its user only."""
    (tmp_path / "env").write_text('CLIPJURY_PUBLIC_URL=https://jury.example.org\nCLIPJURY_DATABASE_URL="a:///b?c=/d"\n')
    (tmp_path / "print").write_text('#!/bin/sh\npwd\numask\nenv | grep ^CLIPJURY_ | sort\nprintf "[%s]" "$@"\n')
    (tmp_path / "print").chmod(0o755)
    text = replaced(
        (DEPLOY / "clipjury-run").read_text(encoding="utf-8"),
        {
            "CLIPJURY_HOME=/var/lib/clipjury": f"CLIPJURY_HOME={tmp_path}",
            "/etc/clipjury/env": str(tmp_path / "env"),
            "--reuid clipjury --regid clipjury": "--reuid 0 --regid 0",
            "/opt/clipjury/bin/clipjury": str(tmp_path / "print"),
        },
    )
    (tmp_path / "run").write_text(text)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLIPJURY_")}
    ended = subprocess.run(["/bin/sh", tmp_path / "run", "invite", "a b"], env=kept, capture_output=True, text=True)
    assert ended.stdout.splitlines() == [
        str(tmp_path),
        "0077",
        "CLIPJURY_DATABASE_URL=a:///b?c=/d",
        f"CLIPJURY_HOME={tmp_path}",
        "CLIPJURY_PUBLIC_URL=https://jury.example.org",
        "[invite][a b]",
    ]
