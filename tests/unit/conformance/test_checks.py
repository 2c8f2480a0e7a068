"""Each shared check can be kept and can be broken, whatever the status; and what it takes for wrong."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from conformance import checks
from conformance.redaction import Redactor
from conformance.verdict import Check
from conformance.wire.answer import Answer


@pytest.mark.parametrize("status", [202, 307, 400, 401, 405, 500, 503])
@pytest.mark.parametrize("make", checks.ALL)
def test_check_is_kept_by_its_good_answer_and_broken_by_its_bad_one(make: Callable[[], Check], status: int) -> None:
    check, answer = make(), Answer(status)
    assert check.complaint(check.good(answer)) is None
    assert check.complaint(check.bad(answer)) is not None
    assert check.complaint(check.good(check.bad(answer))) is None


@pytest.mark.parametrize(
    ("field", "fine"),
    [
        ('Basic realm="a, Bearer b"', True),
        ('Negotiate, Basic realm="x", charset="UTF-8"', True),
        ("basic", True),
        ('Bearer realm="x", error="invalid_token"', False),
        ('Digest realm="Basic x"', False),
    ],
)
def test_challenge_is_found_among_others_and_not_inside_a_text(field: str, fine: bool) -> None:
    answer = Answer(401, (("www-authenticate", field),))
    assert (checks.challenge(("basic",)).complaint(answer) is None) == fine


@pytest.mark.parametrize(
    "body",
    [
        "   at Shop.OrdersController.Post(Event e) in C:\\src\\Orders.cs:line 17",
        "System.NullReferenceException: Object reference not set",
        "TypeError: x is undefined\n    at handler (/srv/app/index.js:10:5)",
        "java.lang.IllegalStateException\n\tat com.shop.Orders.post(Orders.java:12)",
        'File "/opt/app/main.py", line 3',
        "SELECT id FROM orders WHERE id = 1",
    ],
)
def test_inside_is_seen_in_errors_of_several_stacks(body: str) -> None:
    assert checks.no_internals().complaint(Answer(500, body=body.encode())) is not None


def test_plain_words_are_no_inside() -> None:
    body = (
        b'{"title": "Bad request", "status": 400, "detail": "/orderEvent/lines/0: select a quantity from the list"}'
    )
    answer = Answer(400, (("server", "webhooks"), ("via", "1.1 proxy")), body)
    assert checks.no_internals().complaint(answer) is None


def test_secret_is_found_in_each_spelling() -> None:
    check = checks.never_shows("gr\u00fc\u00dfe:x", "the password")
    for shown in (
        "gr\u00fc\u00dfe:x".encode(),
        "gr\u00fc\u00dfe:x".encode("latin-1"),
        b"gr\\u00fc\\u00dfe:x",
        b"gr%C3%BC%C3%9Fe%3Ax",
        b"gr&#252;&#223;e:x",
        base64.b64encode("gr\u00fc\u00dfe:x".encode()),
    ):
        assert check.complaint(Answer(401, body=b"no: " + shown)) is not None
    assert check.complaint(Answer(401, body=b"no")) is None


@pytest.mark.parametrize(
    "shown",
    [
        b"a&amp;b&lt;c&#x27;&quot;?~",
        b"a&amp;b&lt;c'\"?~",
        b"a&amp;b&lt;c&#39;&#34;?~",
        b"a&amp;b&lt;c&apos;&quot;?~",
        b"a\\u0026b\\u003cc'\\\"?~",
        b"a\\u0026b\\u003Cc\\u0027\\u0022?~",
        b"a%26b%3cc%27%22%3f~",
        base64.urlsafe_b64encode(b"a&b<c'\"?~"),
        base64.b64encode(b"a&b<c'\"?~").replace(b"/", b"\\/"),
    ],
)
def test_check_and_redactor_know_the_same_spellings(shown: bytes) -> None:
    secret = "a&b<c'\"?~"
    redactor = Redactor()
    redactor.add(secret, "password")

    assert checks.never_shows(secret, "the password").complaint(Answer(401, body=b"no: " + shown)) is not None
    assert redactor.clean(b"no: " + shown) == b"no: [password]"
    assert redactor.clean_text(f"no: {shown.decode()}") == "no: [password]"
