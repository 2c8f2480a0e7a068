"""Keys at hand: rotation, trouble, strangers; against a real server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

from handlers.interface import KeysUnavailableError
from handlers.oauth.access_token import read
from handlers.oauth.key_server import KeySource, Published
from handlers.oauth.signing_keys import Rhythm, SigningKeys
from tests.issuer import IssuerServer, Mood, SigningKey, rsa_key

#: Never again by itself within a test.
SELDOM = Rhythm(refresh_every=1000, retry_after=1000, ask_again_after=1000, wait_at_most=30)
STRANGER = SigningKey("stranger", rsa_key().private)


@pytest.fixture
def server() -> Iterator[IssuerServer]:
    started = IssuerServer()
    yield started
    started.stop()


def run(
    server: IssuerServer,
    scene: Callable[[SigningKeys], Awaitable[None]],
    rhythm: Rhythm = SELDOM,
    *,
    fresh: bool = True,
) -> None:
    """Play a scene with keys of the server, which have been fetched once if `fresh`."""

    async def play() -> None:
        keys = SigningKeys(KeySource(jwks_url=f"{server.url}/keys"), rhythm)
        keys.start()
        if fresh:
            await until(lambda: keys.time() is not None)
        try:
            await scene(keys)
        finally:
            await keys.stop()

    asyncio.run(play())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def signed_by(server: IssuerServer, key: SigningKey) -> Callable[[Published], bool | None]:
    token = read(server.token(key).encode())
    return lambda published: published.keys.signed(token)


def test_known_key_asks_nobody(server: IssuerServer) -> None:
    async def scene(keys: SigningKeys) -> None:
        server.mood = Mood.HANGS
        assert await keys.consult(signed_by(server, rsa_key())) is True
        assert server.asked == ["/keys"]

    run(server, scene)


def test_first_request_waits_for_the_first_answer(server: IssuerServer) -> None:
    async def scene(keys: SigningKeys) -> None:
        assert keys.time() is None
        assert await keys.consult(signed_by(server, rsa_key())) is True

    run(server, scene, fresh=False)


def test_new_key_of_the_issuer_works_at_once(server: IssuerServer) -> None:
    async def scene(keys: SigningKeys) -> None:
        server.keys = [rsa_key(), rsa_key("new")]
        assert await keys.consult(signed_by(server, rsa_key("new"))) is True
        assert len(server.asked) == 2

    run(server, scene)


def test_key_that_the_issuer_lacks_after_being_asked_is_unknown_for_good(server: IssuerServer) -> None:
    async def scene(keys: SigningKeys) -> None:
        assert await keys.consult(signed_by(server, STRANGER)) is None
        assert len(server.asked) == 2

    run(server, scene)


def test_strangers_do_not_keep_the_server_busy_and_get_no_last_word(server: IssuerServer) -> None:
    async def scene(keys: SigningKeys) -> None:
        assert await keys.consult(signed_by(server, STRANGER)) is None
        for _ in range(20):
            with pytest.raises(KeysUnavailableError):
                await keys.consult(signed_by(server, STRANGER))
            assert await keys.consult(signed_by(server, rsa_key())) is True
        assert len(server.asked) == 2

    run(server, scene)


def test_requests_at_one_time_share_one_refresh(server: IssuerServer) -> None:
    async def scene(keys: SigningKeys) -> None:
        server.keys = [rsa_key(), rsa_key("new")]
        questions = [signed_by(server, rsa_key("new")) for _ in range(20)]
        assert await asyncio.gather(*(keys.consult(question) for question in questions)) == [True] * 20
        assert len(server.asked) == 2

    run(server, scene)


def test_refresh_that_began_before_the_request_has_not_the_last_word(server: IssuerServer) -> None:
    async def scene(keys: SigningKeys) -> None:
        server.mood = Mood.HANGS
        early = asyncio.create_task(keys.consult(signed_by(server, STRANGER)))
        await until(lambda: len(server.asked) == 2)
        late = asyncio.create_task(keys.consult(signed_by(server, STRANGER)))
        await asyncio.sleep(0)
        server.mood = Mood.WELL
        server.release.set()
        assert await early is None
        # It would need another one, which the rhythm does not allow yet.
        with pytest.raises(KeysUnavailableError):
            await late
        assert len(server.asked) == 2

    run(server, scene)


@pytest.mark.parametrize("mood", [Mood.FAILS, Mood.GARBAGE, Mood.EMPTY, Mood.BREAKS_OFF, Mood.REDIRECTS])
def test_failing_server_leaves_known_keys_in_force_and_unknown_ones_in_doubt(
    server: IssuerServer, mood: Mood, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(keys: SigningKeys) -> None:
        server.mood = mood
        with pytest.raises(KeysUnavailableError):
            await keys.consult(signed_by(server, STRANGER))
        assert await keys.consult(signed_by(server, rsa_key())) is True

    run(server, scene)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warning.startswith("action=key_server_failed keys_in_force=1 reason='localhost:")


def test_request_does_not_wait_longer_than_it_may_for_a_server_that_hangs(server: IssuerServer) -> None:
    async def scene(keys: SigningKeys) -> None:
        server.mood = Mood.HANGS
        with pytest.raises(KeysUnavailableError, match="not answered yet"):
            await keys.consult(signed_by(server, STRANGER))
        assert await keys.consult(signed_by(server, rsa_key())) is True

    run(server, scene, Rhythm(1000, 1000, 1000, wait_at_most=0.2))


def test_refresh_that_hangs_is_given_up_and_begun_again(server: IssuerServer) -> None:
    server.mood = Mood.HANGS

    async def scene(keys: SigningKeys) -> None:
        await until(lambda: len(server.asked) >= 2)
        server.mood = Mood.WELL
        await until(lambda: keys.time() is not None)

    run(server, scene, Rhythm(1000, retry_after=0.05, give_up_after=0.2), fresh=False)


def test_keys_are_refreshed_in_the_background_and_withdrawn_ones_go(server: IssuerServer) -> None:
    async def scene(keys: SigningKeys) -> None:
        server.keys = [rsa_key("new")]
        await until(lambda: len(server.asked) >= 4)
        assert await keys.consult(signed_by(server, rsa_key("new"))) is True
        assert await keys.consult(signed_by(server, rsa_key())) is None

    run(server, scene, Rhythm(refresh_every=0.05, retry_after=1000, wait_at_most=30))


def test_failure_is_tried_again_soon_and_logged_once(
    server: IssuerServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.mood = Mood.FAILS

    async def scene(keys: SigningKeys) -> None:
        await until(lambda: len(server.asked) >= 4)
        server.mood = Mood.WELL
        await until(lambda: keys.time() is not None)

    run(server, scene, Rhythm(refresh_every=1000, retry_after=0.02), fresh=False)
    messages = [record.getMessage().split()[0] for record in caplog.records if record.name.startswith("handlers")]
    assert messages == ["action=key_server_failed", "action=signing_keys_loaded"]


def test_request_that_waits_while_the_keys_are_stopped_is_in_doubt(server: IssuerServer) -> None:
    async def scene(keys: SigningKeys) -> None:
        server.mood = Mood.HANGS
        waiting = asyncio.create_task(keys.consult(signed_by(server, STRANGER)))
        await until(lambda: len(server.asked) == 2)
        await keys.stop()
        with pytest.raises(KeysUnavailableError):
            await waiting
        with pytest.raises(KeysUnavailableError):
            await keys.consult(signed_by(server, STRANGER))

    run(server, scene)


def test_request_that_is_given_up_leaves_the_refresh_to_the_others(server: IssuerServer) -> None:
    async def scene(keys: SigningKeys) -> None:
        server.keys, server.mood = [rsa_key("new")], Mood.HANGS
        waiting = [asyncio.create_task(keys.consult(signed_by(server, rsa_key("new")))) for _ in range(2)]
        await until(lambda: len(server.asked) == 2)
        waiting[0].cancel()
        server.mood = Mood.WELL
        server.release.set()
        assert await waiting[1] is True

    run(server, scene)


@pytest.mark.parametrize("seconds", [-4000, 4000])
def test_time_is_that_of_the_key_server_and_a_difference_is_logged(
    server: IssuerServer, seconds: int, caplog: pytest.LogCaptureFixture
) -> None:
    server.date = seconds

    async def scene(keys: SigningKeys) -> None:
        theirs = keys.time()
        assert theirs is not None
        assert abs(theirs - time.time() - seconds) < 60

    run(server, scene)
    (error,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert error.getMessage().startswith("action=clock_differs seconds=")


def test_time_is_our_own_where_the_server_does_not_say(server: IssuerServer) -> None:
    server.date = None

    async def scene(keys: SigningKeys) -> None:
        theirs = keys.time()
        assert theirs is not None
        assert abs(theirs - time.time()) < 60

    run(server, scene)
