"""What goes wrong on the side of whoever calls it is one line and exit status 2."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance import cli
from conformance.profile import ProfileError
from conformance.profile import load as load_profile
from conformance.proof.faulty import receiver
from conformance.runner import running
from conformance.wire.address import Address, AddressError
from tests.unit.conformance.sample_run import every_outcome, write_run

ROOT = Path(__file__).resolve().parents[3]
NODE = ROOT / "conformance" / "examples" / "node" / "profile.yaml"


def _described(**changes: Any) -> dict[str, Any]:
    described: dict[str, Any] = yaml.safe_load(NODE.read_text("utf-8"))
    del described["ca_file"]
    return {name: value for name, value in (described | changes).items() if value is not None}


def _profile(folder: Path, **changes: Any) -> Path:
    path = folder / "profile.yaml"
    path.write_text(yaml.safe_dump(_described(**changes)), encoding="utf-8")
    return path


def _called(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["conformance", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(str(ended.value.code or 0))


def _one_line(capsys: pytest.CaptureFixture[str]) -> str:
    told = capsys.readouterr().err
    assert "Traceback" not in told
    (line,) = told.splitlines()
    return line


@pytest.mark.parametrize(
    "url",
    ["localhost:8443", "ftp://localhost/", "https://", "https://localhost:99999", "https://[::1", "https://:1/"],
)
def test_an_address_that_is_none_is_one_line(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    status = _called(monkeypatch, "run", url, "--profile", _profile(tmp_path), "--folder", folder)

    assert status == 2
    assert url in _one_line(capsys)
    with pytest.raises(AddressError):
        Address.of(url)


@pytest.mark.parametrize("command", ["curl", "replay"])
def test_a_result_that_is_not_there_is_one_line(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_run(tmp_path / "run", every_outcome()).folder
    more = ["--url", "http://localhost:1", "--profile", _profile(tmp_path)] if command == "replay" else []

    assert _called(monkeypatch, command, folder, "DEL-02.99", *more) == 2
    assert "DEL-02.99" in _one_line(capsys)
    if command == "curl":
        assert _called(monkeypatch, command, folder, "DEL-04.5") == 2
        assert "nothing was sent for DEL-04.5" in _one_line(capsys)


def test_cases_are_chosen_in_any_letters_and_those_that_are_not_there_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[running.Options] = []

    def run(profile: object, url: str, folder: Path, options: running.Options, **more: object) -> None:
        asked.append(options)
        raise ProfileError("enough")

    monkeypatch.setattr(running, "run", run)
    arguments = ["run", "http://localhost:1", "--profile", _profile(tmp_path), "--folder", tmp_path / "run"]

    assert _called(monkeypatch, *arguments, "--only", "auth", "--only", "Del-01") == 2
    assert _one_line(capsys) == "conformance: enough"
    assert asked[0].only == ("AUTH", "DEL-01")
    assert running.chosen(asked[0])

    assert _called(monkeypatch, *arguments, "--only", "AUTH", "--only", "NOPE") == 2
    assert "NOPE" in _one_line(capsys)
    assert _called(monkeypatch, "list", "NOPE") == 2
    assert "NOPE" in _one_line(capsys)
    assert len(asked) == 1


def _operations(**changes: Any) -> dict[str, Any]:
    order = _described()["operations"]["order"]
    return {"order": order | changes}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"basic": None}, "basic: is missing, and operations.order.schemes claims basic"),
        ({"operations": _operations(schemes=["basic", "bearer"])}, "bearer: is missing"),
        ({"operations": _operations(schemes=["oauth"])}, "issuer: is missing"),
        ({"operations": _operations(schemes=[])}, "operations.order.schemes: has to name at least one"),
        ({"operations": _operations(not_allowed={})}, "operations.order.not_allowed: needs `basic` or `bearer`"),
    ],
)
def test_a_claimed_scheme_without_credentials_is_told_by_its_key(
    changes: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(ProfileError) as error:
        load_profile(_profile(tmp_path, **changes))

    assert told in str(error.value).splitlines()[0]


def test_a_profile_that_is_no_text_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "profile.yaml"
    path.write_bytes(b"name: \xff\xfe")

    assert _called(monkeypatch, "run", "http://localhost:1", "--profile", path) == 2
    assert str(path) in _one_line(capsys)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_run_that_is_ended_puts_the_receiver_back_and_keeps_what_it_found(
    how: signal.Signals, tmp_path: Path
) -> None:
    entered, left = tmp_path / "entered", tmp_path / "left"
    with receiver(tmp_path / "receiver") as (url, profile):
        told = yaml.safe_load((tmp_path / "receiver" / "profile.yaml").read_text(encoding="utf-8"))
        told["ca_file"] = str(profile.ca_file)
        told["states"]["store-down"] = {"enter": f"touch {entered} && sleep 20", "leave": f"touch {left}"}
        (tmp_path / "profile.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "conformance", "run", url, "--profile", str(tmp_path / "profile.yaml"),
             "--only", "RET-06", "--folder", str(tmp_path / "run")],
            stderr=subprocess.PIPE, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        until = time.monotonic() + 30
        while not entered.exists() and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(how)
        _, said = process.communicate(timeout=30)

    assert process.returncode == 130
    assert left.exists()
    assert "the receiver is put back" in said
    assert "Traceback" not in said
    assert (tmp_path / "run" / "orders.txt").read_text().startswith("TCCONF-")
    assert "the run was cut off" in (tmp_path / "run" / "summary.md").read_text(encoding="utf-8")


def test_a_secret_in_the_profile_is_refused_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _profile(tmp_path, basic={"username": "tradecloud", "password": "hunter2-in-clear"})

    assert _called(monkeypatch, "run", "https://localhost:1", "--profile", path) == 2
    said = _one_line(capsys)
    assert "basic.password" in said
    assert "{env: NAME}" in said
    assert "hunter2" not in said
