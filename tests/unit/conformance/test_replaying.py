"""Sending a result again with the credentials that no run keeps."""

from __future__ import annotations

import base64
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jwt
import pytest

from conformance.profile import IssuerProfile, Profile, load
from conformance.proof.faulty import free_port
from conformance.report.records import RunReader
from conformance.report.replay import ReplayError
from conformance.results import Exchange
from conformance.runner.issuer import AUDIENCE
from conformance.runner.replaying import send_again
from conformance.verdict import Outcome
from tests.unit.conformance.sample_run import answer, request, result, write_run

PROFILE = Path(__file__).resolve().parents[3] / "conformance" / "profiles" / "reference.yaml"


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Profile:
    for name in ("TC_PASSWORD", "TC_TOKEN", "TC_SHIPMENTS_ONLY_PASSWORD", "TC_ORDERS_ONLY_PASSWORD"):
        monkeypatch.setenv(name, f"secret of {name}")
    path = tmp_path / "profile.yaml"
    contracts = PROFILE.parents[2] / "generated" / "openapi"
    text = PROFILE.read_text("utf-8").replace("../../generated/openapi", str(contracts))
    path.write_text(text.replace("ca_file: ../../.conformance/target/ca.pem\n", ""), encoding="utf-8")
    port = free_port()
    issuer = IssuerProfile(listen=f"127.0.0.1:{port}", url=f"http://127.0.0.1:{port}")
    return load(path).model_copy(update={"issuer": issuer})


def _run(folder: Path, shown: str, endpoint: str = "order") -> RunReader:
    sent = request(headers=(("Authorization", f"Bearer [{shown}]"), ("Content-Type", "application/json")))
    exchange = Exchange("probe", answer(202), sent)
    return write_run(folder, [result("DEL-01", Outcome.FAIL, 202, endpoint=endpoint, exchanges=(exchange,))])


@contextmanager
def receiver(keys: str | None = None) -> Iterator[tuple[str, list[str]]]:
    """Answers 202, or what the token's key says, and tells the credentials that came."""
    came: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            proof = self.headers["Authorization"].partition(" ")[2]
            came.append(proof)
            if keys is not None:
                with urllib.request.urlopen(keys) as answered:  # noqa: S310 - the suite's own issuer
                    published = {key["kid"]: jwt.PyJWK(key) for key in json.load(answered)["keys"]}
                jwt.decode(proof, published[jwt.get_unverified_header(proof)["kid"]], ["RS256"], audience=AUDIENCE)
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("shown", "endpoint", "expected"),
    [
        ("basic credentials", "order", base64.b64encode(b"tradecloud:secret of TC_PASSWORD").decode()),
        ("token", "shipment", "secret of TC_TOKEN"),
        (
            "other basic credentials",
            "shipment",
            base64.b64encode(b"orders-only:secret of TC_ORDERS_ONLY_PASSWORD").decode(),
        ),
    ],
)
def test_good_credentials_come_from_the_profile(
    shown: str, endpoint: str, expected: str, profile: Profile, tmp_path: Path
) -> None:
    with receiver() as (url, came):
        (one,) = send_again(_run(tmp_path / "run", shown, endpoint), "DEL-01", url, profile, None)

    assert came == [expected]
    assert one.same


def test_an_access_token_is_a_fresh_one_and_its_key_is_published_meanwhile(
    profile: Profile, tmp_path: Path
) -> None:
    assert profile.issuer is not None
    with receiver(f"{profile.issuer.url}/keys") as (url, _):
        (one,) = send_again(_run(tmp_path / "run", "access token"), "DEL-01", url, profile, None)

    assert one.new == 202
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{profile.issuer.url}/keys")  # noqa: S310 - as above


@pytest.mark.parametrize("shown", ["changed credentials", "wrong token", "token: expired"])
def test_wrong_credentials_are_not_made_again_and_the_error_says_what_to_do(
    shown: str, profile: Profile, tmp_path: Path
) -> None:
    with receiver() as (url, came), pytest.raises(ReplayError) as error:
        send_again(_run(tmp_path / "run", shown), "DEL-01", url, profile, None)

    assert came == []
    assert f"[{shown}]" in str(error.value)
    assert "run --only" in str(error.value)


def test_an_access_token_without_an_issuer_is_not_given_back(profile: Profile, tmp_path: Path) -> None:
    with receiver() as (url, came), pytest.raises(ReplayError, match="access token"):
        send_again(
            _run(tmp_path / "run", "access token"), "DEL-01", url, profile.model_copy(update={"issuer": None}), None
        )

    assert came == []
