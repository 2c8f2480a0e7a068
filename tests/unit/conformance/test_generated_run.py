"""A run with generated bodies: what its folder holds afterwards, and what it must not hold."""

from __future__ import annotations

import base64
import html
import json
import re
import tempfile
import threading
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from conformance import cli
from conformance.generative import Expectation, Finding, GeneratedOutcome, GenerativeSettings, Keywords
from conformance.profile import Profile
from conformance.profile import load as load_profile
from conformance.report import html as html_report
from conformance.report import json_report, markdown, terminal
from conformance.report.records import RUN_FILE, RunReader
from conformance.results import Result
from conformance.runner import generated
from conformance.runner.running import Options, run
from conformance.subject import Subject
from conformance.verdict import Outcome
from conformance.wire.address import Address
from tests.unit.conformance.sample_run import write_run
from tests.unit.conformance.test_generative import small_contract

USER = "tradecloud"
PASSWORD = 'kanarie:<Größe> & "7"/x'
TOKEN = "canary-token-4f1e9a7755/+&z="


@contextmanager
def parrot() -> Iterator[str]:
    """A receiver that takes every event and says in each answer with which credentials it came, spelt anyhow."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                self.close_connection = True

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            came = self.headers.get("Authorization") or ""
            proof = came.partition(" ")[2]
            if came.startswith("Basic "):
                proof = base64.b64decode(proof).decode()
            # The cut of what is kept goes through one of the many.
            text = "\n".join([came, *_spellings(proof), *_spellings(proof.partition(":")[2])] * 400)
            body = f"<pre>{text}</pre>".encode()
            self.send_response(202, "hello")
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Came", came)
            self.send_header("X-Proof", quote(proof))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "QUERY"):
        setattr(Handler, f"do_{method}", Handler.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _spellings(secret: str) -> list[str]:
    return [
        secret,
        base64.b64encode(secret.encode()).decode(),
        base64.urlsafe_b64encode(secret.encode()).decode(),
        html.escape(secret),
        html.escape(secret, quote=False),
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        quote(secret, safe=""),
        re.sub("[&<>]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(secret, ensure_ascii=False)),
    ]


def _profile(folder: Path, scheme: str, monkeypatch: pytest.MonkeyPatch) -> Profile:
    monkeypatch.setenv("TEST_PASSWORD", PASSWORD)
    monkeypatch.setenv("TEST_TOKEN", TOKEN)
    contract = folder / "small.yaml"
    contract.write_text(yaml.safe_dump(small_contract()), encoding="utf-8")
    described: dict[str, Any] = {
        "name": "parrot",
        "operations": {
            "order": {"path": "/order", "formats": ["json"], "schemes": [scheme], "payloads": ["orderEvent"]}
        },
        "basic": {"username": USER, "password": {"env": "TEST_PASSWORD"}},
        "bearer": {"token": {"env": "TEST_TOKEN"}},
        "claims": dict.fromkeys(
            (
                "durable_queue",
                "http2",
                "duplicates_recognised",
                "types_checked",
                "required_checked",
                "problem_details",
                "public_certificate",
            ),
            False,
        ),
        "max_body_bytes": None,
        "contracts": {"order": contract.name},
    }
    path = folder / "profile.yaml"
    path.write_text(yaml.safe_dump(described), encoding="utf-8")
    return load_profile(path)


def _unpacked(data: bytes) -> bytes:
    """The bytes with everything that is compressed or in Base64 in them."""
    found = [data]
    for chunk in re.findall(rb"[A-Za-z0-9+/_-]{12,}={0,2}", data):
        plain = chunk.replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
        decoded = base64.b64decode(plain[: len(plain) - (len(plain) % 4 == 1)] + b"==")
        found += [decoded, _inflated(decoded)]
    return b"\n".join([*found, _inflated(data)])


def _inflated(data: bytes) -> bytes:
    text = b""
    while data:
        unpacker = zlib.decompressobj()
        try:
            text += unpacker.decompress(data) + b"\n"
        except zlib.error:
            return text
        data = unpacker.unused_data
    return text


def _holding(folder: Path, secrets: tuple[str, ...]) -> list[str]:
    """Which files below a folder hold a secret, and in which spelling."""
    found = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        seen = _unpacked(path.read_bytes())
        for secret in secrets:
            spellings = [spelt.strip('"') for spelt in _spellings(secret)]
            found += [f"{path.relative_to(folder)}: {one}" for one in spellings if one.encode() in seen]
            # Beginnings count too: something may have been cut.
            if not secret.startswith(USER) and secret[:9].encode() in seen:
                found.append(f"{path.relative_to(folder)}: {secret[:9]}")
    return found


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_no_file_of_a_run_with_generated_bodies_holds_a_secret(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, temporary, kept = tmp_path / "run", tmp_path / "temporary", tmp_path / "findings"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    profile = _profile(tmp_path, scheme, monkeypatch)
    options = Options(waves=(), generated=10.0, full=False, keep_findings_in=kept)
    with parrot() as url:
        outcome = run(profile, url, folder, options)
    cli._write_reports(folder)

    assert {result.case for result in outcome.results} >= {"AUTH-22"}
    pair = f"{USER}:{PASSWORD}"
    secrets = (pair, PASSWORD, base64.b64encode(pair.encode()).decode()) if scheme == "basic" else (TOKEN,)
    assert _holding(folder, secrets) == []
    assert _holding(kept, secrets) == []
    assert list(temporary.iterdir()) == []
    assert not (folder / "generated").exists()
    # What is searched is really found where it is.
    (tmp_path / "proof").mkdir()
    (tmp_path / "proof" / "a").write_bytes(base64.b64encode(zlib.compress(secrets[0].encode())))
    assert _holding(tmp_path / "proof", secrets)

    # Credentials are marked as in every other result, so that they can be given back; each finding has its name.
    reader = RunReader(folder)
    records = list(reader.lines("result"))
    mark = "Basic [basic credentials]" if scheme == "basic" else "Bearer [token]"
    assert all(f"Authorization: {mark}\r\n" in record["exchanges"][0]["request"]["head"] for record in records)
    names = [(record["case"], record["variant"]) for record in records]
    assert len(set(names)) == len(names)
    root = ET.fromstring((folder / "junit.xml").read_text("utf-8"))  # noqa: S314 - our own
    assert len(list(root.iter("testcase"))) == len(names)


def _finding(**changes: Any) -> Finding:
    values: dict[str, Any] = {
        "case_id": "MAL-06",
        "operation": "order",
        "title": "an invalid event was not refused: status 202",
        "what": "",
        "request": b"POST /order HTTP/1.1\r\nAuthorization: {{authorization}}\r\n\r\n{}",
        "status": 202,
        "response": b"",
        "check": "invalid_refused",
        "expectation": Expectation.INVALID,
    }
    return Finding(**values | changes)


def _outcome(*findings: Finding) -> GeneratedOutcome:
    return GeneratedOutcome(findings, (), (), (), 1, 1.0, Keywords(), complete=True, seed=None)


def test_settings_reach_the_phase_and_variants_are_the_same_in_every_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[GenerativeSettings] = []
    first = [
        _finding(),
        _finding(check="another", title="an invalid event was not refused: status 202"),
        _finding(advisory=True),
        _finding(operation="shipment", status=None),
    ]
    found = list(first)

    def phase(settings: GenerativeSettings) -> GeneratedOutcome:
        asked.append(settings)
        return _outcome(*found)

    monkeypatch.setattr(generated, "run_generated_phase", phase)
    profile = _profile(tmp_path, "basic", monkeypatch)
    order = profile.operations[next(iter(profile.operations))]
    both = profile.model_copy(update={"operations": {"order": order, "shipment": order}})
    names: list[list[str]] = []
    for seed in (None, 7):
        results: list[Result] = []
        generated.run_generated(
            Subject(both),
            Address.of("http://localhost:1"),
            5.0,
            fresh=False,
            seed=seed,
            pace=2.0,
            run="r1",
            keep_in=None,
            report=results.append,
        )
        names.append([result.variant for result in results])
        assert all(result.outcome in (Outcome.FAIL, Outcome.WEAK, Outcome.INFO) for result in results)
        found.insert(0, _finding(case_id="MAL-05"))

    assert [settings.pace for settings in asked] == [2.0, 2.0]
    assert [(settings.deterministic, settings.seed) for settings in asked] == [(True, None), (False, 7)]
    assert names[1][1:] == names[0]
    assert len(set(names[0])) == 4
    assert names[0][0] == "generated: order, answer 202: an invalid event was not refused: status 202"


def _reported(folder: Path, **more: Any) -> dict[str, str]:
    """Every report that people read, of a run with this record of its generated phase."""
    reader = write_run(folder)
    keywords: dict[str, dict[str, int]] = {"valid": {}, "invalid": {}}
    part = {"executed": 40, "seconds": 7.5, "findings": 2, "warnings": [], "errors": [], "keywords": keywords}
    with (folder / RUN_FILE).open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({"type": "generated", **part, **more}) + "\n")
    made = {"terminal": terminal.render, "markdown": markdown.render, "html": html_report.render}
    return {name: " ".join(render(reader).split()) for name, render in made.items()}


def test_reports_tell_how_the_generated_phase_went(tmp_path: Path) -> None:
    told = {"seed": 4711, "complete": False, "replayed": 3, "notes": ["order: missing test data: 12 of 40"]}
    reports = _reported(tmp_path / "run", **told)

    for text in reports.values():
        assert "--seed 4711" in text
        assert "cut short by its time" in text
        assert "missing test data: 12 of 40" in text
    for name in ("terminal", "markdown"):
        assert "3 kept findings of earlier runs" in reports[name]
    assert re.search(r"kept findings of earlier runs, sent first</td><td[^>]*>3</td>", reports["html"])
    document = json.loads(json_report.render(RunReader(tmp_path / "run")))
    assert {name: document["generated"][name] for name in told} == told


def test_a_deterministic_and_whole_phase_has_neither_a_seed_nor_a_cut(tmp_path: Path) -> None:
    for text in _reported(tmp_path / "run", seed=None, complete=True, replayed=0, notes=[]).values():
        assert "--seed" not in text
        assert "cut short" not in text


def test_runs_from_before_these_keys_are_still_read(tmp_path: Path) -> None:
    for text in _reported(tmp_path / "run").values():
        assert "40" in text
        assert "--seed" not in text
