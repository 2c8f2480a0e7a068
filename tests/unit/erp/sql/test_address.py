"""Addresses of databases: what cannot be used is told when the service starts, and no secret is."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url

from handlers.erp.sql.address import AddressError, check_address, located, open_engine, secrets_of, shown


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("postgresql+psycopg_async://me:geheim@db/erp", "postgresql+psycopg_async is for programs of another kind"),
        ("nosuch://me:geheim@db/erp", "SQLAlchemy knows no database nosuch"),
        ("mysql://me:geheim@db/erp", "needs the Python package mysqlclient; install it"),
    ],
)
def test_address_that_nothing_here_can_use_is_told_at_the_start_without_the_password(
    address: str, sentence: str
) -> None:
    with pytest.raises(AddressError) as caught:
        open_engine(address, timeout=1.0, connections=1)
    assert sentence in str(caught.value)
    assert "geheim" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["erp.db", "postgresql://me:a@b@c:x/erp", "sqlite://", "sqlite:///:memory:"])
def test_what_is_no_address_of_a_database_that_stays_is_told(address: str) -> None:
    with pytest.raises(ValueError, match=r"must (be an address|name a file)"):
        check_address(address)


@pytest.mark.parametrize("address", ["user:se@cret@db.example/erp", "user:se@/cret@db.example/erp"])
def test_address_of_whose_password_a_part_would_be_shown_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="%40") as raised:
        check_address(f"postgresql+psycopg://{address}")
    assert "cret" not in str(raised.value)


def test_neither_password_nor_user_is_shown_wherever_they_stand() -> None:
    url = make_url("mssql+pyodbc://me:geheim@db:1433/erp?driver=x&PWD=geheim2&sslpassword=geheim3")
    assert shown(url) == "mssql at db:1433, database erp"
    assert secrets_of(url) == ("geheim", "geheim2", "geheim3")
    assert secrets_of(make_url("sqlite:///erp.db")) == ()


def test_relative_file_is_seen_from_the_folder_of_the_settings(tmp_path: Path) -> None:
    assert located("sqlite:///erp.db", tmp_path) == f"sqlite:///{tmp_path}/erp.db"
    assert located("sqlite:////erp.db", tmp_path) == "sqlite:////erp.db"
    assert located("postgresql://db/erp.db", tmp_path) == "postgresql://db/erp.db"
