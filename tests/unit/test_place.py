"""Addresses of servers."""

from __future__ import annotations

import pytest

from service.inbox.place import DatabaseServer, trouble_of


@pytest.mark.parametrize(
    "address",
    [
        "postgresql+psycopg://user:se@cret@db.example/webhooks",
        "postgresql+psycopg://user:se@/w#cret@db.example/webhooks",
        "postgresql+psycopg://user:secret@/webhooks?host=user:se@cret",
        "postgresql+psycopg://user:secret@db.example:cret/webhooks",
        "postgresql+psycopg://user:secret@db.example",
    ],
)
def test_address_that_would_show_a_part_of_its_password_is_refused(address: str) -> None:
    trouble = trouble_of(address)
    assert trouble is not None
    assert "cret" not in trouble


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("user:se%40cret@db.example:5433/webhooks?sslmode=require", "db.example:5433/webhooks"),
        ("/webhooks", "localhost/webhooks"),
        ("user:secret@/webhooks?host=/run/postgresql", "/run/postgresql/webhooks"),
        ("user@/webhooks?host=one:5432&host=two:5433&password=secret", "one:5432,two:5433/webhooks"),
    ],
)
def test_address_is_shown_without_user_and_password(address: str, shown: str) -> None:
    address = f"postgresql+psycopg://{address}"
    assert trouble_of(address) is None
    assert str(DatabaseServer(address)) == f"postgresql+psycopg://{shown}"
