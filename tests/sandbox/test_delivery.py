"""Delivery as documented (behaviour.md section 3), against a receiver that answers as it is told."""

from __future__ import annotations

import base64
import ssl
import threading
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trustme

from sandbox.delivery.credentials import Basic, Bearer, ClientCredentials, Credentials
from sandbox.delivery.plan import Disorder, Planned, plan
from sandbox.delivery.policy import Policy, Reaction
from sandbox.delivery.sending import Destination, Sender, Step
from sandbox.delivery.summary import Summary
from sandbox.delivery.target import checked
from sandbox.errors import SandboxError
from sandbox.story.event import Webhook
from tests.acceptance.running import free_port
from tests.sandbox.reading import stories
from tests.sandbox.receiver import Arrival, Receiver

#: A second of waiting passes in ten milliseconds.
QUICK = Policy(timeout=5.0, speed=100.0)
TOKEN = {"access_token": "t1", "expires_in": 3600, "token_type": "Bearer"}


def planned(orders: int = 3, **disorder: float) -> list[Planned]:
    return plan(stories(orders, xml=0.0, stories={"proposal": 1}), Disorder(**disorder), 1)


def deliver(
    url: str,
    events: Sequence[Planned],
    policy: Policy = QUICK,
    credentials: Credentials | None = None,
    **options: Any,
) -> Summary:
    where = {webhook: Destination(f"{url}/{webhook}", credentials) for webhook in Webhook}
    return Sender(events, where, policy, **options).run()


@pytest.mark.parametrize(
    ("status", "reaction"),
    [
        (200, Reaction.DELIVERED), (202, Reaction.DELIVERED), (204, Reaction.DELIVERED),
        (400, Reaction.DROPPED), (401, Reaction.DROPPED), (408, Reaction.DROPPED), (413, Reaction.DROPPED),
        (429, Reaction.DROPPED), (500, Reaction.DROPPED),
        (501, Reaction.REPEAT), (502, Reaction.REPEAT), (503, Reaction.REPEAT), (504, Reaction.REPEAT),
        (599, Reaction.REPEAT), (None, Reaction.REPEAT), (101, Reaction.REPEAT), (302, Reaction.REPEAT),
    ],
)  # fmt: skip
def test_each_answer_has_the_documented_reaction(status: int | None, reaction: Reaction) -> None:
    assert Policy().reaction(status) is reaction


def test_the_wait_doubles_up_to_a_limit_and_passes_faster_with_speed() -> None:
    assert [Policy().wait(attempts) for attempts in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert Policy().wait(10**6) == Policy().longest_wait
    assert Policy(speed=60).wait(4) == 8 / 60


def test_all_is_delivered_once_to_the_webhook_of_its_kind() -> None:
    events = plan(stories(9, xml=0.4), Disorder(), 1)
    with Receiver(answers=lambda arrival, before: 200) as receiver:
        summary = deliver(receiver.url, events)
    assert Counter((arrival.path, arrival.headers["Content-Type"]) for arrival in receiver.arrivals) == Counter(
        (f"/{one.event.webhook}", "application/xml" if one.event.xml else "application/json") for one in events
    )
    assert (summary.delivered, summary.left, summary.repeated.total()) == (len(events), 0, 0)
    assert summary.sent == len(summary.latencies) == len(events)


@pytest.mark.parametrize("status", [400, 401, 413, 429, 500])
def test_an_event_answered_so_is_dropped_at_once_and_counted_by_the_answer(status: int) -> None:
    events = planned()
    bad = events[2].event.message_id
    with Receiver(answers=lambda arrival, before: status if arrival.message_id == bad else 202) as receiver:
        summary = deliver(receiver.url, events)
    assert receiver.counts()[bad] == 1
    assert dict(summary.dropped) == {str(status): 1}
    assert summary.delivered == len(events) - 1
    assert bad in summary.first_dropped[str(status)]
    assert "as told" in summary.first_dropped[str(status)]


@pytest.mark.parametrize("status", [501, 502, 503, 504])
def test_an_event_answered_so_is_repeated_until_it_is_taken(status: int) -> None:
    events = planned()
    with Receiver(answers=lambda arrival, before: status if before < 4 else 202) as receiver:
        summary = deliver(receiver.url, events)
    assert set(receiver.counts().values()) == {5}
    assert dict(summary.repeated) == {str(status): 4 * len(events)}
    assert (summary.delivered, summary.dropped.total()) == (len(events), 0)


def test_repetitions_wait_longer_each_time() -> None:
    with Receiver(answers=lambda arrival, before: 503 if before < 5 else 202) as receiver:
        deliver(receiver.url, planned(1)[:1], Policy(speed=50))
    times = [arrival.at for arrival in receiver.arrivals]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert all(wait >= 2**number / 50 for number, wait in enumerate(waits))


@pytest.mark.parametrize("repeat", [True, False])
def test_a_redirect_is_not_followed_but_repeated_or_dropped_as_the_switch_says(repeat: bool) -> None:
    events = planned(1)[:1]
    with Receiver(
        answers=lambda arrival, before: 307 if before == 0 else 202, headers={"Location": "/elsewhere"}
    ) as receiver:
        summary = deliver(receiver.url, events, Policy(speed=100, redirects_repeat=repeat))
    assert {arrival.path for arrival in receiver.arrivals} == {"/order"}
    assert dict(summary.repeated) == ({"307": 1} if repeat else {})
    assert dict(summary.dropped) == ({} if repeat else {"307": 1})


def test_a_receiver_that_does_not_answer_in_time_gets_the_event_again() -> None:
    events = planned(1)[:2]
    with Receiver(answers=lambda arrival, before: 0 if before == 0 else 202, hang_seconds=1.0) as receiver:
        summary = deliver(receiver.url, events, Policy(timeout=0.2, speed=100))
    assert dict(summary.repeated) == {"timed out": 2}
    assert summary.delivered == 2


def test_a_connection_that_is_closed_without_an_answer_is_repeated() -> None:
    with Receiver(answers=lambda arrival, before: 0 if before == 0 else 202, hang_seconds=0.0) as receiver:
        summary = deliver(receiver.url, planned(1)[:1])
    assert summary.repeated.total() == 1
    assert summary.delivered == 1


def test_a_receiver_that_is_not_there_yet_gets_everything_once_it_is() -> None:
    events = planned()
    port = free_port()
    done: list[Summary] = []
    sending = threading.Thread(target=lambda: done.append(deliver(f"http://127.0.0.1:{port}", events)))
    sending.start()
    time.sleep(0.3)
    assert not done
    with Receiver(port=port):
        sending.join(20)
    assert done[0].delivered == len(events)
    assert done[0].repeated["nobody listens"] > 0


def test_lost_answers_are_repeated_and_duplicates_sent_again() -> None:
    events = planned(6, lost_answers=0.5, duplicates=0.3, late=0.3)
    cut = sum(one.cut is not None for one in events)
    with Receiver() as receiver:
        summary = deliver(receiver.url, events)
    assert summary.delivered == len(events)
    assert dict(summary.repeated) == {"the connection was cut on purpose": cut}
    assert summary.duplicates == sum(one.duplicate for one in events) > 0
    # What was cut right after the request may have been read or not.
    assert len(events) <= len(receiver.arrivals) <= len(events) + cut
    assert len(receiver.arrivals) > len(events), "no cut came after the receiver had the event"


def test_a_lost_answer_belongs_to_the_address_of_all_the_others() -> None:
    events = planned(6, lost_answers=1.0)
    with Receiver() as receiver:
        where = {webhook: Destination(f"{receiver.url}/{webhook}?key=a%20b") for webhook in Webhook}
        Sender(events, where, QUICK).run()
    assert {arrival.path for arrival in receiver.arrivals} == {"/order?key=a%20b"}


def test_disorder_is_planned_in_the_wanted_shares_and_the_same_for_the_same_seed() -> None:
    told = stories(40, stories={"proposal": 1, "reopening": 1})
    events = plan(told, Disorder(late=0.3, duplicates=0.2, lost_answers=0.1), 7)
    assert events == plan(told, Disorder(late=0.3, duplicates=0.2, lost_answers=0.1), 7)
    total = sum(len(story.events) for story in told)
    first = [one for one in events if not one.duplicate]
    assert len(first) == total
    assert 0.1 < (len(events) - total) / total < 0.3
    assert 0.03 < sum(one.cut is not None for one in events) / total < 0.2
    overtaken = sum(
        _overtaken([one.event.version or 0 for one in first if one.event in story.events]) for story in told
    )
    assert overtaken > 20
    quiet = plan(told, Disorder(), 7)
    assert not any(_overtaken([one.event.version or 0 for one in quiet if one.event in s.events]) for s in told)


def _overtaken(versions: list[int]) -> int:
    return sum(later < earlier for earlier, later in pairwise(versions))


def test_basic_and_bearer_stand_in_the_header() -> None:
    for credentials, header in (
        (Basic("ünal", "pass:wörd"), "Basic " + base64.b64encode("ünal:pass:wörd".encode()).decode()),
        (Bearer("t0ken"), "Bearer t0ken"),
    ):
        with Receiver() as receiver:
            deliver(receiver.url, planned(1), credentials=credentials)
        assert {arrival.headers["Authorization"] for arrival in receiver.arrivals} == {header}


def test_a_token_is_fetched_once_and_kept() -> None:
    with Receiver(token_answers=[(200, TOKEN)]) as receiver:
        credentials = ClientCredentials(f"{receiver.url}/token", "client", "s&cret", "api://x/.default")
        summary = deliver(receiver.url, planned(), credentials=credentials)
    assert summary.delivered == len(planned())
    assert receiver.tokens == [
        {
            "grant_type": ["client_credentials"],
            "client_id": ["client"],
            "client_secret": ["s&cret"],
            "scope": ["api://x/.default"],
        }
    ]
    assert {arrival.headers["Authorization"] for arrival in receiver.arrivals} == {"Bearer t1"}


def test_a_token_is_renewed_before_it_ends() -> None:
    short = [(200, {"access_token": f"t{number}", "expires_in": 0.2}) for number in range(100)]
    with Receiver(token_answers=short) as receiver:
        credentials = ClientCredentials(f"{receiver.url}/token", "client", "secret", "x")
        deliver(receiver.url, planned(), credentials=credentials, pace=20)
    assert len({arrival.headers["Authorization"] for arrival in receiver.arrivals}) > 1


def test_without_a_token_nothing_is_sent_until_there_is_one_again() -> None:
    events = planned(1)
    with Receiver(token_answers=[(503, {}), (200, {"unexpected": 1}), (200, TOKEN)]) as receiver:
        credentials = ClientCredentials(f"{receiver.url}/token", "client", "secret", "x")
        summary = deliver(receiver.url, events, credentials=credentials, parallel=1)
    assert len(receiver.arrivals) == summary.delivered == len(events)
    assert dict(summary.repeated) == {
        "no token: the token endpoint answered 503": 1,
        "no token: the token endpoint answered something else": 1,
    }


def test_a_step_comes_at_its_place_and_nothing_is_sent_until_it_is_done() -> None:
    events = planned()
    seen: list[int] = []

    def step(stop: threading.Event) -> None:
        time.sleep(0.1)
        seen.append(len(receiver.arrivals))

    with Receiver() as receiver:
        deliver(receiver.url, events, parallel=1, steps=[Step(len(events) // 2, step), Step(0, step)])
    assert seen == [0, len(events) // 2]


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_step_at_the_end_comes_when_everything_was_sent(parallel: int) -> None:
    events = planned()
    seen: list[int] = []
    with Receiver(answers=lambda arrival, before: 503 if before == 0 else 202) as receiver:
        steps = [Step(len(events), lambda stop: seen.append(len(receiver.counts())))]
        deliver(receiver.url, events, parallel=parallel, steps=steps)
    assert len(seen) == 1
    assert seen[0] >= len(events) - parallel + 1


def test_a_step_that_fails_ends_the_run_with_its_reason() -> None:
    def step(stop: threading.Event) -> None:
        raise SandboxError("the control port does not answer")

    with Receiver() as receiver, pytest.raises(SandboxError, match="does not answer"):
        deliver(receiver.url, planned(), steps=[Step(3, step)])


def test_the_pace_is_kept() -> None:
    events = planned(1)
    began = time.monotonic()
    with Receiver() as receiver:
        deliver(receiver.url, events, pace=20)
    assert receiver.arrivals[-1].at - began >= (len(events) - 1) / 20


def test_only_so_many_attempts_at_a_time_as_wanted() -> None:
    now, most = [0], [0]
    lock = threading.Lock()

    def slow(arrival: Arrival, before: int) -> int:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        return 202

    with Receiver(answers=slow) as receiver:
        deliver(receiver.url, planned(), parallel=3)
    assert most[0] == 3


def test_an_unknown_certificate_is_no_answer_and_said_so(tmp_path: Path) -> None:
    certificate = trustme.CA().issue_cert("127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    with Receiver() as receiver:
        receiver.speak_tls(context)
        where = {webhook: Destination(f"https://127.0.0.1:{receiver.port}/") for webhook in Webhook}
        sender = Sender(planned(1)[:1], where, QUICK)
        threading.Timer(0.3, sender.stop).start()
        summary = sender.run()
    assert summary.left == 1
    assert [cause for cause in summary.repeated if "CERTIFICATE_VERIFY_FAILED" in cause]


@pytest.mark.parametrize("url", ["https://localhost:8443", "http://127.0.0.1:1/base/", "https://[::1]:8443"])
def test_a_receiver_on_this_machine_may_be_sent_to(url: str) -> None:
    assert checked(url, None) == url.rstrip("/")


def test_another_machine_needs_its_owners_word() -> None:
    with pytest.raises(SandboxError, match=r"--i-own-the-target erp\.example"):
        checked("https://erp.example", None)
    with pytest.raises(SandboxError, match="another machine"):
        checked("https://erp.example", "other.example")
    assert checked("https://erp.example", "erp.example") == "https://erp.example"


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8443",
        "ftp://localhost",
        "https://",
        "https://localhost:x",
        "https://localhost?a",
        "https://me:word@localhost",
    ],
)
def test_what_is_no_address_is_told_so(url: str) -> None:
    with pytest.raises(SandboxError, match="--url"):
        checked(url, None)


def test_a_free_port_without_a_server_is_no_answer() -> None:
    sender = Sender(
        planned(1)[:1], {webhook: Destination(f"http://127.0.0.1:{free_port()}") for webhook in Webhook}, QUICK
    )
    threading.Timer(0.2, sender.stop).start()
    assert sender.run().repeated["nobody listens"] > 0
