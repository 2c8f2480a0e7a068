"""The Node example of the conformance suite: its two faults are found, and only those; the README mends them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.acceptance.running import ROOT, free_port

EXAMPLE = ROOT / "conformance" / "examples" / "node"
PASSWORD = "a:password for tests"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(
    NODE is None, reason="NOT TRIED: the example of the conformance suite needs Node 20 or newer, as `node`"
)


class Receiver:
    """The example in a folder of its own, with a profile that says so."""

    def __init__(self, folder: Path, source: str) -> None:
        self.folder = folder
        self.url = f"https://localhost:{free_port()}"
        (folder / "events").mkdir()
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
        for i, pem in enumerate(certificate.cert_chain_pems):
            pem.write_to_path(str(folder / "cert.pem"), append=i > 0)
        (folder / "receiver.mjs").write_text(source, encoding="utf-8")
        profile = (EXAMPLE / "profile.yaml").read_text(encoding="utf-8")
        profile = re.sub(r"(\.\./)*\.conformance/node", str(folder), profile)
        (folder / "profile.yaml").write_text(profile, encoding="utf-8")

    def start(self) -> subprocess.Popen[str]:
        """Return when it listens."""
        assert NODE is not None
        environment = {
            "PORT": self.url.rpartition(":")[2],
            "TLS_CERT": str(self.folder / "cert.pem"),
            "TLS_KEY": str(self.folder / "key.pem"),
            "TRADECLOUD_PASSWORD": PASSWORD,
            "EVENTS_FILE": str(self.folder / "events" / "events.jsonl"),
        }
        log = (self.folder / "receiver.log").open("w")
        process = subprocess.Popen(
            [NODE, str(self.folder / "receiver.mjs")],
            env=os.environ | environment,
            stdout=log,
            stderr=log,
            text=True,
        )
        log.close()
        deadline = time.monotonic() + 20
        while "listening" not in (said := (self.folder / "receiver.log").read_text(encoding="utf-8")):
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.05)
        return process

    def judged(self, *options: str) -> tuple[int, list[dict[str, Any]]]:
        """Exit status and results of a run of the suite."""
        words = [
            sys.executable,
            "-m",
            "conformance",
            "run",
            self.url,
            "--profile",
            str(self.folder / "profile.yaml"),
        ]
        done = subprocess.run(
            [*words, "--folder", str(self.folder / "run"), *options],
            cwd=ROOT,
            env=os.environ | {"TRADECLOUD_PASSWORD": PASSWORD},
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode != 2, done.stdout + done.stderr
        lines = (self.folder / "run" / "run.ndjson").read_text(encoding="utf-8").splitlines()
        return done.returncode, [row for row in map(json.loads, lines) if row["type"] == "result"]


@pytest.fixture
def source() -> str:
    """The receiver as it is shipped."""
    return (EXAMPLE / "receiver.mjs").read_text(encoding="utf-8")


@pytest.fixture
def receiver(tmp_path: Path, source: str) -> Iterator[Receiver]:
    """The example as it is shipped, running."""
    yield from _running(Receiver(tmp_path, source))


@pytest.fixture
def mended_receiver(tmp_path: Path, source: str) -> Iterator[Receiver]:
    """The example with both faults mended as its README says, running."""
    yield from _running(Receiver(tmp_path, _mended(source)))


def test_example_fails_in_its_two_faults_and_nowhere_else(receiver: Receiver) -> None:
    status, results = receiver.judged("--quick")

    failed = {row["case"]: row["reason"] for row in results if row["outcome"] == "FAIL"}
    assert failed.keys() == {"FWD-05", "FWD-13"}, failed
    assert status == 1
    assert sum(row["outcome"] == "PASS" for row in results) > 100


def test_example_mended_as_its_readme_says_passes_where_it_failed(mended_receiver: Receiver) -> None:
    status, results = mended_receiver.judged("--only", "FWD-05", "--only", "FWD-13", "--only", "MAL-15")

    assert {row["case"] for row in results if row["outcome"] == "PASS"} >= {"FWD-05", "FWD-13"}
    assert not [row for row in results if row["outcome"] in ("FAIL", "WEAK")]
    assert status == 0


def _mended(source: str) -> str:
    """What a reader of the README does: remove the one line, replace the condition by the other lines."""
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8").partition("## The two faults")[2]
    closed_list, media_type = (
        textwrap.dedent(part) for part in re.findall(r"(?:^    .+\n)+", readme, re.MULTILINE)
    )
    assert closed_list.strip() in source
    old = re.search(r"  if \(request\.headers\['content-type'\] !== .*?\n  }\n", source, re.DOTALL)
    assert old is not None
    return source.replace(closed_list.strip(), "").replace(old.group(), media_type)


def _running(receiver: Receiver) -> Iterator[Receiver]:
    process = receiver.start()
    yield receiver
    process.terminate()
    process.wait(timeout=20)
