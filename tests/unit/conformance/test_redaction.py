"""A secret of a run is in none of its files and in none of its reports."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from conformance.redaction import Redactor
from conformance.report import curl, html, json_report, junit, markdown, replay, terminal
from conformance.report.records import BODIES_FILE, RUN_FILE, RunReader
from conformance.results import Exchange
from conformance.verdict import Outcome
from tests.unit.conformance.sample_run import answer, request, result, write_run

USER = "tradecloud"
PASSWORD = "kanarie:Größe-7!x"  # a colon and an umlaut: both have been forgotten by redactors before
TOKEN = "canary-token-4f1e9a7755"
PAIR = f"{USER}:{PASSWORD}"


def _b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def _redactor() -> Redactor:
    """As the subject tells it: every value when it is made, wrong credentials too."""
    redactor = Redactor()
    redactor.add(PASSWORD, "password")
    for pair, shown in ((PAIR, "basic credentials"), (PAIR[:-1], "basic credentials without the last character")):
        redactor.add(pair, shown)
        redactor.add(_b64(pair), shown)
    redactor.add(TOKEN, "token")
    redactor.add(TOKEN[:-1], "token without the last character")
    return redactor


def _exchange(authorization: str, echo: str, *, in_request: bool = False) -> Exchange:
    data = echo.encode()
    headers = (("Authorization", authorization), ("Content-Type", "application/json"))
    body = json.dumps({"eventName": "OrderIssuedByBuyer", "echo": echo if in_request else ""}).encode()
    head = b"WWW-Authenticate: Basic realm=" + data + b"\r\n"
    return Exchange("probe", answer(500, b"you sent " + data, head), request(body, headers=headers))


@pytest.fixture
def run(tmp_path: Path) -> RunReader:
    pairs = [
        (f"Basic {_b64(PAIR)}", PAIR),
        (f"basic {_b64(PAIR)}", PASSWORD),
        (f"Basic {_b64(PAIR[:-1])}", _b64(PAIR)),
        (f"Basic {_b64(PAIR)}", quote(PASSWORD, safe="")),
        (f"Bearer {TOKEN}", TOKEN),
        (f"bearer {TOKEN[:-1]}", _b64(TOKEN)),
    ]
    some = [
        result("DEL-02", Outcome.FAIL, 500, variant=f"v{n}", exchanges=(_exchange(*pair),))
        for n, pair in enumerate(pairs)
    ]
    some += [
        result("DEL-02", Outcome.FAIL, 500, variant=f"echo {n}", exchanges=(_exchange(*pair, in_request=True),))
        for n, pair in enumerate(pairs)
    ]
    some += [
        result(
            "DEL-03", outcome, 422, reason=f"it said {PASSWORD} and {TOKEN}", change=f"Authorization: {_b64(PAIR)}"
        )
        for outcome in (Outcome.WEAK, Outcome.PASS, Outcome.INFO)
    ]
    some += [result("DEL-04", Outcome.BLOCKED, reason=f"hook printed {TOKEN}", needs="erp-down")]
    return write_run(tmp_path / "run", some, redactor=_redactor())


def _bodies(run: RunReader) -> Iterator[bytes]:
    for record in run.lines("result"):
        for exchange in record["exchanges"]:
            yield run.body(exchange["request"]["body"])
            yield run.body(exchange["answer"]["body"])


def _all_streams(data: bytes) -> bytes:
    """bodies.bin unpacked from end to end, whatever the records point at."""
    text = b""
    while data:
        unpacker = zlib.decompressobj()
        text += unpacker.decompress(data) + b"\n"
        data = unpacker.unused_data
    return text


def _page(run: RunReader) -> str:
    page = html.render(run)
    blocks = re.findall(r'id="evidence-\d+">([^<]*)<', page)
    assert blocks
    return page + "".join(zlib.decompress(base64.b64decode(one)).decode() for one in blocks)


def _curls(run: RunReader) -> str:
    commands = [curl.curl(run, record["id"]) for record in run.lines("result") if record["exchanges"]]
    packed = [base64.b64decode(one) for text in commands for one in re.findall(r"printf '%s' '([^']+)'", text)]
    return "\n".join([*commands, *(one.decode("latin-1") for one in packed)])


FORMATS: dict[str, Callable[[RunReader], str]] = {
    "run.ndjson": lambda run: (run.folder / RUN_FILE).read_text("utf-8"),
    "bodies.bin": lambda run: _all_streams((run.folder / BODIES_FILE).read_bytes()).decode("latin-1"),
    "terminal": terminal.render,
    "json": json_report.render,
    "junit": junit.render,
    "markdown": markdown.render,
    "html": _page,
    "curl": _curls,
}


@pytest.mark.parametrize("name", FORMATS)
def test_no_spelling_of_a_secret_is_in_any_format(run: RunReader, name: str) -> None:
    text = FORMATS[name](run)
    # Wrapped and escaped texts count too.
    seen = "".join(text.split()) + "".join(text.split()).replace("\\", "")
    for secret in (PASSWORD, TOKEN, PAIR, PASSWORD[:-1], TOKEN[:-1], PAIR[:-1]):
        for spelling in (
            secret,
            _b64(secret),
            _b64(secret).rstrip("="),
            quote(secret, safe=""),
            json.dumps(secret)[1:-1],
        ):
            assert spelling not in seen
            assert spelling.encode().decode("latin-1") not in seen


def test_what_stood_there_is_named(run: RunReader) -> None:
    heads = [record["exchanges"][0]["request"]["head"] for record in run.lines("result") if record["exchanges"]]
    assert "Authorization: Basic [basic credentials]\r\n" in heads[0]
    assert "Authorization: basic [basic credentials]\r\n" in heads[1]
    assert "Authorization: Basic [basic credentials without the last character]\r\n" in heads[2]
    assert "Authorization: Bearer [token]\r\n" in heads[4]
    assert "Authorization: bearer [token without the last character]\r\n" in heads[5]


def test_the_curl_asks_for_what_was_taken_out_and_keeps_what_stood_around_it(run: RunReader) -> None:
    command = curl.curl(run, "DEL-02.2")
    assert "-H 'Authorization: basic '\"${TC_AUTH:?set it to: basic credentials}\"" in command
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=10, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode != 0
    assert b"TC_AUTH: set it to: basic credentials" in done.stderr


def test_a_replay_puts_credentials_back(run: RunReader) -> None:
    sent: list[bytes] = []

    def send(wire: bytes, plain: bool) -> None:
        sent.append(wire)

    values = {"basic credentials": _b64(PAIR), "basic credentials without the last character": _b64(PAIR[:-1])}
    replay.replay(run, "DEL-02.3", send, values.get)
    assert f"Authorization: Basic {_b64(PAIR[:-1])}\r\n".encode() in sent[0]


def test_a_replay_without_credentials_sends_nothing(run: RunReader) -> None:
    def send(wire: bytes, plain: bool) -> None:
        raise AssertionError("sent")

    with pytest.raises(replay.ReplayError, match="token"):
        replay.replay(run, "DEL-02.5", send)


def _texts(tmp_path: Path, secret: str | bytes, exchange: Exchange) -> Any:
    redactor = Redactor()
    redactor.add(secret, "secret")
    run = write_run(tmp_path, [result("DEL-02", Outcome.FAIL, 500, exchanges=(exchange,))], redactor=redactor)
    return (run.folder / RUN_FILE).read_text("utf-8"), b"\n".join(_bodies(run))


def test_a_secret_with_a_quote_and_an_umlaut_is_not_kept(tmp_path: Path) -> None:
    lines, bodies = _texts(
        tmp_path, 'pass"wörd', Exchange("probe", answer(500, b"", 'X: pass"wörd\r\n'.encode()), request())
    )
    assert "wörd" not in lines
    assert "wörd".encode() not in bodies


def test_a_secret_echoed_in_latin_1_is_not_kept(tmp_path: Path) -> None:
    echo = "pass-wörd-123".encode("latin-1")
    lines, bodies = _texts(
        tmp_path, "pass-wörd-123", Exchange("probe", answer(500, echo, b"X: " + echo + b"\r\n"), request())
    )
    assert "rd-123" not in lines
    assert b"rd-123" not in bodies


def test_a_pair_that_is_latin_1_is_not_kept(tmp_path: Path) -> None:
    pair = "user:pass-wörd-123".encode("latin-1")
    lines, _ = _texts(tmp_path, pair, Exchange("probe", answer(500, b"", b"X: " + pair + b"\r\n"), request()))
    assert "rd-123" not in lines


def test_a_secret_where_a_kept_body_is_cut_is_not_kept_in_part(tmp_path: Path) -> None:
    body = b"x" * (65_536 - 12) + b"canary-secret-123456" + b"x" * 100
    _, bodies = _texts(tmp_path, "canary-secret-123456", Exchange("probe", answer(500, body), request()))
    assert b"canary-secr" not in bodies
