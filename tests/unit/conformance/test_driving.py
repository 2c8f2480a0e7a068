"""Verdicts on a receiver that answers as told: refused controls, a receiver that dies, a case that is silent."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.catalogue import CaseInfo, catalogue
from conformance.proof.flip import MadeUpReceiver
from conformance.proof.proving import flip_subject
from conformance.requests.changes import header
from conformance.requests.rendering import Rendered
from conformance.requests.request import Channel, Framing, Request
from conformance.results import Exchange, Result
from conformance.runner.driving import Driver
from conformance.runner.options import Options, chosen
from conformance.runner.running import run
from conformance.steps import CanaryHits, Case, Judge, Twin, answer_of
from conformance.subject import Subject
from conformance.verdict import Expect, ExpectFact, Outcome, refused
from conformance.wire.address import Address
from conformance.wire.answer import Answer, Fact
from conformance.wire.http1 import Connection

NOBODY = ExpectFact(("called", "none"), must=frozenset({"none"}))
YES = ExpectFact(("yes", "no"), must=frozenset({"yes"}))
REFUSED = refused(401)


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return flip_subject(tmp_path)


class Scripted(MadeUpReceiver):
    """Answers with what the function says; a status of 0 is no answer."""

    def __init__(self, answer: Callable[[str, Request], int]) -> None:
        super().__init__()
        self._answer = answer

    def deliver(self, request: Request, purpose: str, expect: Expect | None = None) -> Exchange:
        status = self._answer(purpose, request)
        return Exchange(purpose, Answer(status) if status else Answer(None, failure="no connection"))


def driven(subject: Subject, steps: Callable[[Subject], Case], receiver: MadeUpReceiver) -> list[Result]:
    results: list[Result] = []
    info: CaseInfo = replace(catalogue()["AUTH-01"], steps=steps)
    Driver(info, subject, receiver, results.append).run()
    return results


def twin(subject: Subject, variant: str) -> Twin:
    control = next(iter(subject.goldens()))
    return Twin(variant, control, header("Authorization", None, f"none, {variant}"), REFUSED)


def test_refused_control_leaves_nothing_green_that_follows_from_its_twins(subject: Subject) -> None:
    def steps(subject: Subject) -> Case:
        answer = yield from answer_of(twin(subject, "attack"))
        yield CanaryHits("nobody called", "mark", 0.0, NOBODY)
        yield Judge("all the same", Fact("yes", str(answer.status)), YES)

    results = driven(subject, steps, Scripted(lambda *_: 401))

    assert [one.outcome for one in results] == [Outcome.BLOCKED] * 3


def test_fact_about_later_twins_is_judged_again(subject: Subject) -> None:
    first = next(iter(subject.goldens()))
    second = next(one for one in subject.goldens() if one.payload != first.payload)

    def steps(subject: Subject) -> Case:
        yield Twin("first", first, header("Authorization", None), REFUSED)
        yield Judge("about the first", Fact("yes"), YES)
        yield Twin("second", second, header("Authorization", None), REFUSED)
        yield Judge("about the second", Fact("yes"), YES)

    def answer(purpose: str, request: Request) -> int:
        return 401 if purpose == "probe" or request.payload == first.payload else 202

    outcomes = {one.variant: one.outcome for one in driven(subject, steps, Scripted(answer))}

    assert outcomes == {
        "first": Outcome.BLOCKED,
        "about the first": Outcome.BLOCKED,
        "second": Outcome.PASS,
        "about the second": Outcome.PASS,
    }


def test_probe_after_which_the_receiver_is_gone_fails(subject: Subject) -> None:
    dead: list[str] = []

    def answer(purpose: str, request: Request) -> int:
        if purpose == "probe":
            dead.append("since now")
        return 0 if dead else 202

    (result,) = driven(subject, lambda subject: iter_of(twin(subject, "deadly")), Scripted(answer))

    assert result.outcome is Outcome.FAIL
    assert "afterwards" in result.reason


def test_probe_after_which_the_control_is_refused_is_blocked(subject: Subject) -> None:
    seen: list[str] = []

    def answer(purpose: str, request: Request) -> int:
        seen.append(purpose)
        return 202 if seen == ["control"] else 503

    (result,) = driven(subject, lambda subject: iter_of(twin(subject, "late")), Scripted(answer))

    assert result.outcome is Outcome.BLOCKED


def iter_of(step: Twin) -> Case:
    yield step


def test_case_about_nothing_that_is_claimed_is_not_applicable(subject: Subject) -> None:
    def steps(subject: Subject) -> Case:
        yield from ()

    (result,) = driven(subject, steps, Scripted(lambda *_: 202))

    assert result.outcome is Outcome.NOT_APPLICABLE


def test_intrusive_cases_are_not_tried_because_their_area_was_named() -> None:
    polite = {info.wave for info in chosen(Options(only=("XML", "MAL", "LIM", "TIM")))}
    told = {info.wave for info in chosen(Options(only=("XML", "MAL", "LIM", "TIM"), waves=(1, 2, 3)))}

    assert polite == {1, 2}
    assert told == {1, 2, 3}


def test_second_node_on_another_machine_needs_permission_too(subject: Subject, tmp_path: Path) -> None:
    profile = subject.profile.model_copy(
        update={"second_url": "https://192.0.2.1:8443", "issuer": None, "canary": None}
    )

    outcome = run(profile, "https://127.0.0.1:9", tmp_path / "run", Options(only=("DEL-01",)))

    assert "PRE-4" in outcome.not_ready
    assert outcome.exit_status == 3


# Bytes on the wire.


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[Address]:
    """One connection is served as the function does it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            connection, _ = server.accept()
            with connection:
                serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield Address.of(f"http://127.0.0.1:{server.getsockname()[1]}", None)
        thread.join(5)


def sent(framing: Framing, content: bytes = b"12345") -> Rendered:
    return Rendered("POST", "/", (), content, framing, Channel(), "localhost")


def test_answer_to_what_was_smuggled_is_heard_though_it_comes_later() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        threading.Event().wait(0.3)
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    with listening(serve) as address, Connection(address) as connection:
        answer = connection.exchange(sent(Framing(content_length="5,3")), 5)

    assert answer.status == 202
    assert len(re.findall(rb"HTTP/1\.1 \d{3}", answer.raw)) == 2


def test_connection_on_which_a_body_is_still_owed_is_not_used_again() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
        connection.recv(65536)

    with listening(serve) as address, Connection(address) as connection:
        answer = connection.exchange(sent(Framing(expect_continue=True)), 5)
        assert answer.status == 417
        assert answer.closes
        assert not connection.reusable
