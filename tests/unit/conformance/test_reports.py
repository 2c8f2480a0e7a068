"""Every report is made from the folder of a run alone, and says the same."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
import zlib
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from conformance.redaction import Redactor
from conformance.report import (
    commands,
    comparison,
    curl,
    html,
    json_report,
    junit,
    markdown,
    overview,
    replay,
    terminal,
)
from conformance.report.records import RunReader, RunWriter
from conformance.requests.request import Channel, Framing
from conformance.results import Exchange
from conformance.verdict import Outcome
from tests.unit.conformance.sample_run import BODY, answer, request, result, write_run

JUNIT_OUTCOMES = """\
DEL-01 orderEvent: passed; code=202 class=D outcome=PASS
DEL-02 no answer: skipped "accepted by the baseline"; class=N outcome=FAIL baseline=accepted for a while
DEL-02 orderEvent: failure; code=500 class=C outcome=FAIL
DEL-03 orderEvent: passed; code=422 class=R outcome=WEAK weak=answered 422; better 400
DEL-04 orderEvent: skipped "BLOCKED: the profile has no hook for erp-down (needs erp-down)"; outcome=BLOCKED
DEL-05 orderEvent: skipped "N/A: the profile does not claim it"; outcome=N/A
DEL-06 orderEvent: passed; code=429 class=R outcome=INFO info=answered 429
DEL-07 orderEvent: error; outcome=ERROR
"""
JUNIT_OF_ONE_FAILURE = """\
<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="tradecloud conformance" tests="1" failures="1" errors="0" skipped="0" time="0.500">
  <testsuite name="NEW NEW" tests="1" failures="1" errors="0" skipped="0" time="0.500">
    <testcase classname="NEW" name="NEW-01 orderEvent" time="0.500">
      <properties>
        <property name="level" value="MUST" />
        <property name="class" value="C" />
        <property name="code" value="500" />
        <property name="outcome" value="FAIL" />
      </properties>
      <failure message="answered 500" type="FAIL">expected: 2xx
answered by: Server: nginx
evidence: result NEW-01.1</failure>
    </testcase>
  </testsuite>
</testsuites>
"""


@pytest.fixture
def run(tmp_path: Path) -> RunReader:
    return write_run(tmp_path / "run")


# JUnit


def _outcomes(text: str) -> str:
    lines = []
    for case in ET.fromstring(text).iter("testcase"):  # noqa: S314 - our own document
        tags = [child for child in case if child.tag != "properties"]
        what = tags[0].tag if tags else "passed"
        if what == "skipped":
            what += f' "{tags[0].get("message")}"'
        found = {one.get("name"): one.get("value") for one in case.iter("property")}
        named = " ".join(
            f"{n}={found[n]}" for n in ("code", "class", "outcome", "weak", "info", "baseline") if n in found
        )
        assert found["level"] in ("MUST", "SHOULD", "INFO")
        assert case.get("classname") == "DEL"
        lines.append(f"{case.get('name')}: {what}; {named}")
    return "\n".join(sorted(lines)) + "\n"


def test_each_outcome_has_its_element_in_junit(run: RunReader) -> None:
    assert _outcomes(junit.render(run)) == JUNIT_OUTCOMES


def test_junit_of_one_failure_is_as_pinned(tmp_path: Path) -> None:
    reader = write_run(tmp_path, [result("NEW-01", Outcome.FAIL, 500, expected="2xx")])
    assert junit.render(reader) == JUNIT_OF_ONE_FAILURE


def test_in_a_strict_run_a_weak_variant_is_a_failure_in_junit(tmp_path: Path) -> None:
    text = _outcomes(junit.render(write_run(tmp_path, strict=True)))
    assert "DEL-03 orderEvent: failure; code=422" in text
    assert text.count("failure") == 2


def test_junit_names_the_requirements_of_the_catalogue(run: RunReader) -> None:
    first = next(ET.fromstring(junit.render(run)).iter("testcase"))  # noqa: S314 - our own document
    keys = [one.get("value") for one in first.iter("property") if one.get("name") == "requirement"]
    assert keys == ["R-EVT-1", "R-RSP-1"]


@pytest.mark.parametrize("verdict", [None, "INCONCLUSIVE"])
def test_a_run_that_says_nothing_is_never_green_in_junit(tmp_path: Path, verdict: str | None) -> None:
    root = ET.fromstring(junit.render(write_run(tmp_path, [], verdict=verdict, preflight_ok=False)))  # noqa: S314
    assert root.get("errors") == "1"
    assert "PRE-3" in (root.find(".//error").text or "")  # type: ignore[union-attr]


# JSON


def test_the_json_report_keeps_its_own_schema(run: RunReader) -> None:
    document = json.loads(json_report.render(run))
    assert list(jsonschema_rs.Draft202012Validator(json_report.SCHEMA).iter_errors(document)) == []
    assert document["counts"] == {"FAIL": 2, "ERROR": 1, "WEAK": 1, "BLOCKED": 1, "INFO": 1, "PASS": 1, "N/A": 1}
    assert document["blocked"][0]["needs"] == "erp-down"
    failed = document["areas"][0]["cases"][1]["variants"][0]
    assert (failed["class"], failed["answered_by"]) == ("C", "Server: nginx")


def test_a_cut_off_run_still_has_every_report(tmp_path: Path) -> None:
    reader = write_run(tmp_path, verdict=None)
    document = json.loads(json_report.render(reader))
    assert (document["complete"], document["exit_status"]) == (False, None)
    assert list(jsonschema_rs.Draft202012Validator(json_report.SCHEMA).iter_errors(document)) == []
    for module in (terminal, markdown, html):
        assert "INCONCLUSIVE (the run was cut off)" in module.render(reader).replace("\\", "")


@pytest.mark.parametrize("cut", [1, 2, 40], ids=["no line feed", "in the last brace", "in the middle"])
def test_a_last_line_that_was_half_written_is_left_out(tmp_path: Path, cut: int) -> None:
    reader = write_run(tmp_path, [result("DEL-01", Outcome.PASS, 202, variant=name) for name in ("a", "Größe")])
    file = tmp_path / "run.ndjson"
    lines = file.read_bytes().splitlines(keepends=True)
    last = next(n for n, line in enumerate(lines) if "Größe".encode() in line)
    file.write_bytes(b"".join(lines[: last + 1])[:-cut])
    read = [line["variant"] for line in reader.lines("result")]
    assert read == (["a", "Größe"] if cut == 1 else ["a"])
    assert not json.loads(json_report.render(reader))["complete"]


def test_a_last_line_that_was_cut_within_a_character_is_left_out(tmp_path: Path) -> None:
    reader = write_run(tmp_path, [result("DEL-01", Outcome.PASS, 202, variant="Größe")])
    file = tmp_path / "run.ndjson"
    text = file.read_bytes()
    file.write_bytes(text[: text.index("ö".encode()) + 1])
    assert [line["type"] for line in reader.lines()] == ["run", "preflight"]


def test_a_broken_line_in_the_middle_is_an_error(tmp_path: Path) -> None:
    reader = write_run(tmp_path)
    file = tmp_path / "run.ndjson"
    file.write_bytes(file.read_bytes().replace(b'{"type": "preflight"', b'{"type" "preflight"'))
    with pytest.raises(ValueError, match="delimiter"):
        list(reader.lines())


def test_bodies_of_a_killed_run_are_there_for_every_line_that_is(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, Redactor())  # not closed: what only its buffers hold is lost
    writer.result(1, result("DEL-01", Outcome.PASS, 202))
    (record,) = RunReader(tmp_path).lines("result")
    assert [RunReader(tmp_path).body(one["request"]["body"]) for one in record["exchanges"]] == [BODY, BODY]
    writer.close()


# Texts for people


def test_the_terminal_report_is_worst_first_and_ends_with_the_verdict(run: RunReader) -> None:
    text = terminal.render(run)
    places = [text.index(word) for word in ("FAIL DEL-02", "ERROR DEL-07", "WEAK DEL-03", "BLOCKED: 1 case")]
    assert places == sorted(places)
    last = " ".join(text[text.rindex("NOT CONFORMANT") :].split())
    assert last == (
        "NOT CONFORMANT: 1 MUST broken - 5 cases and 6 variants executed, "
        "2 FAIL, 1 ERROR, 1 WEAK, 1 BLOCKED, 1 INFO, 1 N/A"
    )
    assert "%" not in re.sub(r"printf.*|--data.*", "", text)
    assert "needs erp-down: DEL-04" in text
    assert "Server: nginx" in text
    assert "\x00" not in text


def test_lines_of_the_terminal_report_fit_80_columns_but_for_commands(run: RunReader) -> None:
    prose = [
        line for line in terminal.render(run).splitlines() if "curl" not in line and not line.startswith("   ")
    ]
    assert max(map(len, prose)) <= 80


def test_the_terminal_names_the_command_for_a_curl_that_is_too_long(tmp_path: Path) -> None:
    big = Exchange("probe", answer(500), request(b"x" * 5_000), "O-1")
    text = terminal.render(write_run(tmp_path / "a run", [result("DEL-02", Outcome.FAIL, 500, exchanges=(big,))]))
    assert f"{commands.interpreter()} -m conformance curl '{tmp_path}/a run' DEL-02.1 | sh" in text


def test_a_run_is_named_as_the_commands_find_it_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / ".conformance" / "runs"
    (runs / "20260801-120000").mkdir(parents=True)
    (runs / "last").symlink_to("20260801-120000")
    (tmp_path / "my runs" / "one").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert commands.run_name(Path(".conformance/runs/last")) == "20260801-120000"
    assert commands.run_name(tmp_path / "my runs" / "one") == "'my runs/one'"
    monkeypatch.chdir(tmp_path / "my runs")
    assert commands.run_name(runs / "last") == str(runs / "20260801-120000")


def test_the_interpreter_of_a_command_is_the_one_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv/bin/python"))
    assert commands.interpreter() == ".venv/bin/python"
    monkeypatch.setattr(sys, "executable", "/opt/my python/bin/python")
    assert commands.interpreter() == "'/opt/my python/bin/python'"


def test_what_the_baseline_accepts_is_told_in_the_verdict_line(tmp_path: Path) -> None:
    known = result("DEL-02", Outcome.FAIL, None, variant="no answer")
    seen = overview.overview(write_run(tmp_path, [known, result("DEL-01", Outcome.FAIL, 500)]))
    assert seen.verdict_line.startswith(
        "NOT CONFORMANT: 2 MUST broken, 1 of them accepted by the baseline - 2 cases"
    )


def test_many_blocked_cases_are_told_by_their_number_and_the_first_ten(tmp_path: Path) -> None:
    ids = [f"DEL-{n}" for n in range(30, 51)]
    reader = write_run(
        tmp_path,
        [result(id, Outcome.BLOCKED, needs="kill", reason="the profile has no kill") for id in ids],
        surprises=[f"{id} is blocked, which the profile does not expect" for id in ids],
    )
    text = " ".join(terminal.render(reader).split())
    assert f"needs kill: 21 cases: {', '.join(ids[:10])} and 11 more" in text
    told = f"21 cases are blocked, which the profile does not expect: {', '.join(ids[:10])} and 11 more"
    assert told in text
    assert told in html.render(reader)
    assert "DEL-45" not in text


def test_reasons_of_blocked_cases_beyond_the_first_few_are_told_together(tmp_path: Path) -> None:
    ids = [f"DEL-{n}" for n in range(30, 51)]
    text = terminal.render(write_run(tmp_path, [result(id, Outcome.BLOCKED, reason=f"no {id}") for id in ids]))
    assert "for other reasons, told in report.html: 13: DEL-38, DEL-39" in text
    assert text.count("needs -: ") == 8


def test_a_profile_that_names_no_contracts_is_said_to_name_none(tmp_path: Path) -> None:
    reader = write_run(tmp_path, contract="")
    assert "contract none named" in " ".join(terminal.render(reader).split())
    assert "contract `none named`" in markdown.render(reader)
    assert "<dt>contract</dt><dd>none named</dd>" in html.render(reader)
    assert dict(comparison.compare([reader]).facts)["contract"] == ("none named",)


def test_an_answer_cannot_write_markup_into_the_summary_of_a_job(tmp_path: Path) -> None:
    nasty = result(
        "DEL-02", Outcome.FAIL, 500, reason="<img src=x> | [a](http://evil) `x`\n# head", variant="**v**"
    )
    text = markdown.render(write_run(tmp_path, [nasty]))
    assert r"&lt;img src=x&gt; \| \[a\](http://evil) \`x\` # head" in text
    assert "```sh\n# in the folder of lab-ca.pem\ncurl" in text


def test_the_summary_of_a_job_stays_below_what_is_shown(tmp_path: Path) -> None:
    many = [result(f"DEL-{n}", Outcome.WEAK, 422, reason="r" * 9_000) for n in range(150)]
    assert len(markdown.render(write_run(tmp_path, many)).encode()) < 1_000_000


# HTML


def _evidence(page: str) -> list[dict[str, Any]]:
    blocks = re.findall(r'<script type="text/plain" id="evidence-\d+">([^<]*)</script>', page)
    return [json.loads(zlib.decompress(base64.b64decode(one))) for one in blocks]


def test_the_page_needs_nothing_from_elsewhere(run: RunReader) -> None:
    page = html.render(run)
    assert not re.search(r"""(?:src|href)\s*=(?!"#)|@import|url\(|fetch\(|XMLHttpRequest""", page)
    assert "default-src 'none'" in page
    assert "{{" not in page.replace("${{", "")


def test_texts_of_a_receiver_cannot_leave_their_script_element(tmp_path: Path) -> None:
    nasty = "</script><script>alert(1)</script><!-- \u2028 & {{rows}}"
    page = html.render(write_run(tmp_path, [result("DEL-02", Outcome.FAIL, 500, reason=nasty, variant=nasty)]))
    assert "alert(1)</script>" not in page
    rows = re.search(r'<script type="application/json" id="rows">(.*?)</script>', page, re.S)
    assert rows is not None
    assert json.loads(rows[1])["areas"][0]["cases"][0]["variants"][0][1] == nasty


def test_the_page_shows_both_sides_with_head_and_body(run: RunReader) -> None:
    (block,) = _evidence(html.render(run))
    control, probe = block["results"]["DEL-02.2"]["exchanges"]
    assert (control["purpose"], probe["purpose"]) == ("control", "probe")
    assert probe["request"]["head"].startswith("POST /order HTTP/1.1\r\nHost: localhost:8443\r\n")
    assert block["bodies"][probe["request"]["body"]]["text"] == BODY.decode()
    assert block["bodies"][probe["answer"]["body"]]["text"] == '{"detail":"no"}'
    assert block["results"]["DEL-02.2"]["curl"].startswith("# in the folder of lab-ca.pem\ncurl ")
    assert block["results"]["DEL-02.2"]["fate"].startswith("Tradecloud drops the event")


def test_the_page_says_on_top_what_failed_with_links_to_the_evidence(run: RunReader) -> None:
    page = html.render(run)
    top = page[page.index("What failed: 1") : page.index('id="matrix"')]
    assert '<a href="#DEL-02.2">orderEvent</a>: answered 500; Tradecloud drops the event for good' in top
    assert "no answer (closed) (known: accepted by the baseline)" in top
    assert "Fix: " in top
    assert "{{failed}}" not in page


def test_the_page_of_a_run_without_failures_has_no_list_of_them(tmp_path: Path) -> None:
    assert "What failed" not in html.render(write_run(tmp_path, [result("DEL-01", Outcome.PASS, 202)]))


def test_bodies_of_what_passed_are_shown_shorter(tmp_path: Path) -> None:
    long = ("ä" * 100_000).encode()
    binary = bytes(range(256)) * 4
    some = [
        result("DEL-01", outcome, status, exchanges=(Exchange("probe", answer(status, binary), request(long)),))
        for outcome, status in ((Outcome.PASS, 200), (Outcome.FAIL, 500))
    ]
    (block,) = _evidence(html.render(write_run(tmp_path, some)))
    shown = [block["bodies"][one["exchanges"][0]["request"]["body"]] for one in block["results"].values()]
    assert [len(one["text"].encode()) for one in shown] == [2_048, 65_536]
    assert {one["length"] for one in shown} == {200_000}
    back = block["bodies"][block["results"]["DEL-01.1"]["exchanges"][0]["answer"]["body"]]
    assert base64.b64decode(back["base64"]) == binary


# curl


def _run(command: str) -> bytes:
    """What a server gets when a shell runs the command, which has to call 127.0.0.1:PORT."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        got = bytearray()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(0.5)
                with contextlib.suppress(TimeoutError):
                    while data := connection.recv(65_536):
                        got.extend(data)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        command = command.replace("https://localhost:8443", f"http://127.0.0.1:{port}")
        command = command.replace("-X POST", "-X POST --noproxy '*' -H 'Host: localhost:8443' --max-time 5")
        done = subprocess.run(
            ["sh", "-c", command],
            capture_output=True,
            timeout=10,
            env={"PATH": "/usr/bin:/bin", "TC_AUTH": "c2VjcmV0"},
        )
        thread.join(10)
    assert b"200 OK" in done.stdout, done.stderr
    return bytes(got)


def _lines(wire: bytes) -> tuple[bytes, list[bytes], bytes]:
    head, _, body = wire.partition(b"\r\n\r\n")
    first, *fields = head.split(b"\r\n")
    return first, sorted(field.rstrip() for field in fields), body


def _command(folder: Path, rendered: Any) -> str:
    exchange = Exchange("probe", answer(500), rendered)
    return curl.curl(write_run(folder, [result("DEL-02", Outcome.FAIL, 500, exchanges=(exchange,))]), "DEL-02.1")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"body": b""},
        {"body": b"@/etc/hosts"},
        {"body": b"binary \x00\xff\r\n'\n"},
        {"body": BODY * 300},
        {"target": "/a/../order?x=[1-2]&y='{z}'"},
        {"headers": (("X-Empty", ""), ("X-Twice", "1"), ("X-Twice", "2 ' $HOME"), ("User-Agent", "Größe"))},
    ],
    ids=["typical", "empty", "at", "binary", "long", "target", "fields"],
)
def test_the_curl_sends_the_same_request_again(tmp_path: Path, changes: dict[str, Any]) -> None:
    rendered = request(**changes)
    assert _lines(_run(_command(tmp_path, rendered))) == _lines(rendered.wire)


def test_the_curl_of_a_chunked_request_is_chunked(tmp_path: Path) -> None:
    rendered = request(BODY * 50, framing=Framing(chunked=True))
    _, fields, body = _lines(_run(_command(tmp_path, rendered)))
    assert b"Transfer-Encoding: chunked" in fields
    assert BODY in body


@pytest.mark.parametrize(
    "changes",
    [
        {"framing": Framing(content_length="3,5")},
        {"framing": Framing(content_length="7")},
        {"framing": Framing(chunked=True, raw_body=b"3;ext=1\r\nabc\r\n0\r\n\r\n")},
        {"framing": Framing(extra_fields=("Transfer-Encoding : chunked", "bad\\line 100%"))},
        {"headers": (("X-Bytes", "a\udcffb'\t\x01"),)},
        {"headers": (("Host", "one"), ("Host", "two"))},
    ],
    ids=["two lengths", "wrong length", "chunk extension", "no field", "bytes", "two hosts"],
)
def test_what_curl_would_mend_goes_out_as_exact_bytes(tmp_path: Path, changes: dict[str, Any]) -> None:
    rendered = request(**changes)
    command, openssl, _ = _command(tmp_path, rendered).rpartition(" | openssl s_client -quiet -CAfile lab-ca.pem")
    assert openssl
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=10, check=True)
    assert done.stdout == rendered.wire


def _with_credentials(folder: Path, *shown: str, case: str = "DEL-02") -> str:
    redactor = Redactor()
    fields = [("Content-Type", "application/json")]
    for number, mark in enumerate(shown):
        redactor.add(f"secret-number-{number}", mark)
        fields.append(("Authorization", f"Basic secret-number-{number}"))
    exchange = Exchange("probe", answer(500), request(headers=tuple(fields)))
    reader = write_run(folder, [result(case, Outcome.FAIL, 500, exchanges=(exchange,))], redactor=redactor)
    return curl.curl(reader, f"{case}.1")


def test_comments_before_a_curl_say_where_to_run_it_and_what_to_set(tmp_path: Path) -> None:
    command = _with_credentials(tmp_path, "basic credentials")
    assert command.splitlines()[:3] == [
        "# in the folder of lab-ca.pem",
        "# TC_AUTH: user name and password of `basic` in the profile, in base64",
        r"# export TC_AUTH=$(printf %s 'USER:PASSWORD' | base64 | tr -d '\n')",
    ]
    assert "secret-number" not in command
    assert b"Authorization: Basic c2VjcmV0\r\n" in _run(command)


def test_credentials_that_only_a_run_makes_are_said_to_be_so(tmp_path: Path) -> None:
    command = _with_credentials(tmp_path, "changed credentials", case="AUTH-05")
    assert "# TC_AUTH: changed credentials, which only a run of the case makes:\n" in command
    assert "-m conformance run https://localhost:8443 --profile FILE --only AUTH-05\n" in command


def test_two_credentials_of_one_request_have_a_variable_each(tmp_path: Path) -> None:
    command = _with_credentials(tmp_path, "token", "changed token", case="AUTH-13")
    assert "# TC_AUTH: the token of `bearer` in the profile\n# export TC_AUTH='TOKEN'\n" in command
    assert "# TC_AUTH_2: changed token, which only" in command
    assert '"${TC_AUTH:?' in command
    assert '"${TC_AUTH_2:?' in command


def test_a_request_without_tls_goes_out_without(tmp_path: Path) -> None:
    assert "'http://localhost:8443/order'" in shlexed(_command(tmp_path, request(channel=Channel(plain=True))))


def shlexed(command: str) -> str:
    """With quotes around every address, whether the shell needs them or not."""
    return re.sub(r"'?(https?://\S+?)'?$", r"'\1'", command)


def test_a_result_without_a_request_has_no_curl(run: RunReader) -> None:
    with pytest.raises(LookupError, match="nothing was sent"):
        curl.curl(run, "DEL-04.5")
    with pytest.raises(LookupError, match="no result and no case DEL-99"):
        curl.curl(run, "DEL-99")


# Replay


def test_a_replay_sends_the_same_bytes_and_tells_both_statuses(tmp_path: Path) -> None:
    odd = request(b"\x00\xff", headers=(("X-Bytes", "a\udcffb"),), framing=Framing(content_length="3,5"))
    pair = (Exchange("control", answer(202), request()), Exchange("probe", answer(500), odd))
    reader = write_run(tmp_path, [result("DEL-02", Outcome.FAIL, 500, exchanges=pair)])
    sent: list[bytes] = []

    def send(wire: bytes, plain: bool) -> int:
        assert not plain
        sent.append(wire)
        return 202

    found = replay.replay(reader, "DEL-02.1", send)
    assert sent == [request().wire, odd.wire]
    assert [(one.purpose, one.old, one.new, one.same) for one in found] == [
        ("control", 202, 202, True),
        ("probe", 500, 202, False),
    ]
