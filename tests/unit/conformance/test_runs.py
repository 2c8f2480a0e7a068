"""A run as a whole, against the reference receiver: what is asked before, what is kept afterwards, how it ends."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from conformance import preflight
from conformance.generative import frozen
from conformance.profile import Action, Observer, Profile
from conformance.proof.faulty import receiver
from conformance.runner.running import Options, RunOutcome, run
from conformance.verdict import Outcome


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Profile]]:
    """The reference receiver without a fault."""
    with receiver(tmp_path_factory.mktemp("clean")) as (url, profile):
        yield url, profile


@contextmanager
def counting(effects: Callable[[], int]) -> Iterator[str]:
    """An observer that answers what the function says."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"count": effects()}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/effects"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def effects_of_one_event(clean: tuple[str, Profile], folder: Path, observer: Observer) -> RunOutcome:
    """DEL-05 asks for the effects of one message in both formats; the observer says what is told to it."""
    url, profile = clean
    return run(profile.model_copy(update={"observer": observer}), url, folder, Options(only=("DEL-05",)))


def judged(outcome: RunOutcome) -> list[Outcome]:
    return [result.outcome for result in outcome.results if "effect" in result.variant]


def test_effect_that_comes_after_the_answer_is_waited_for(clean: tuple[str, Profile], tmp_path: Path) -> None:
    begun = time.monotonic()
    with counting(lambda: 1 if time.monotonic() - begun > 2 else 0) as address:
        outcome = effects_of_one_event(
            clean, tmp_path, Observer(http=f"GET {address}", count="$.count", seconds=20)
        )

    assert judged(outcome) == [Outcome.PASS] * len(judged(outcome))
    assert judged(outcome)


def test_effect_that_does_not_come_in_time_fails(clean: tuple[str, Profile], tmp_path: Path) -> None:
    with counting(lambda: 0) as address:
        outcome = effects_of_one_event(
            clean, tmp_path, Observer(http=f"GET {address}", count="$.count", seconds=0.3)
        )

    assert set(judged(outcome)) == {Outcome.FAIL}


def test_second_effect_that_comes_later_is_seen_by_who_waits_for_it(
    clean: tuple[str, Profile], tmp_path: Path
) -> None:
    asked: list[float] = []

    def effects() -> int:
        asked.append(time.monotonic())
        return 2 if len(asked) > 2 and asked[-1] - asked[1] > 0.2 else 1

    with counting(effects) as address:
        outcome = effects_of_one_event(
            clean, tmp_path, Observer(http=f"GET {address}", count="$.count", settle=0.5)
        )

    assert set(judged(outcome)) == {Outcome.FAIL}


def test_observer_that_prints_no_number_is_told_before_the_cases(clean: tuple[str, Profile]) -> None:
    _, profile = clean
    silent = profile.model_copy(update={"observer": Observer(command="echo nothing")})

    finding = preflight.hooks_answer(silent)

    assert not finding.ok
    assert "observer" in finding.reason
    assert not finding.fatal


def test_hook_that_nobody_answers_is_told_before_the_cases(clean: tuple[str, Profile]) -> None:
    _, profile = clean
    deaf = profile.model_copy(update={"actions": {"kill": Action(run="http POST http://127.0.0.1:9/kill")}})

    assert preflight.hooks_answer(profile).ok
    assert "127.0.0.1:9" in preflight.hooks_answer(deaf).reason


def test_finding_of_the_generator_is_kept_and_sent_first_the_next_time(tmp_path: Path) -> None:
    kept_in = tmp_path / "findings"
    options = Options(only=(), waves=(), generated=20.0, full=False, keep_findings_in=kept_in)
    # Refuses members that it does not know.
    with receiver(tmp_path / "receiver", "--fault", "MU-24") as (url, profile):
        first = run(profile, url, tmp_path / "first", options)
        kept = frozen(kept_in)
        second = run(profile, url, tmp_path / "second", options)

    assert any(result.outcome is Outcome.FAIL for result in first.results)
    assert kept
    again = [result for result in second.results if result.reason.startswith("frozen: ")]
    assert again
    assert {one.request for one in kept} <= {one.request for one in frozen(kept_in)}


def test_run_ends_at_the_first_sight_of_what_it_looks_for(clean: tuple[str, Profile], tmp_path: Path) -> None:
    url, profile = clean
    options = Options(
        only=("DEL-01", "DEL-02"),
        case_ends=lambda result: result.case == "DEL-01",
        run_ends=lambda result: result.case == "DEL-01",
    )

    outcome = run(profile, url, tmp_path, options)

    assert {result.case for result in outcome.results} == {"DEL-01"}
