"""From settings to destinations, and which events each one is meant to have."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from handlers.erp.folder import FolderDestination
from handlers.erp.http import HttpDestination
from handlers.erp.python import PythonDestination
from handlers.erp.sql.destination import SqlDestination
from handlers.interface import Accepted, Change, ChangeKind, Endpoint, Summary
from service.destinations import Target, open_destinations
from service.errors import StartError
from service.settings_destinations import DestinationSettings
from tests.erp_events import BODY, EVENT, SUMMARY, change, facts
from tests.unit.reading_settings import read

BUYER = "51bce838-0c6e-5ff8-8982-b8d3c5aedf81"
OTHER = "11111111-0c6e-5ff8-8982-b8d3c5aedf81"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, which the import path forgets afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def target(**settings: Any) -> Target:
    model = DestinationSettings.model_validate({"type": "folder", "path": "x"} | settings)
    return Target("drops", FolderDestination(Path("x")), model)


def wants(
    given: Target,
    event_name: str = "OrderIssuedByBuyer",
    summary: Summary | None = SUMMARY,
    changes: Sequence[Change] = (),
) -> bool:
    return given.wants(facts(event_name), Endpoint.ORDER, summary, changes)


# Filters


def test_destination_without_filters_wants_everything() -> None:
    assert wants(target())
    assert wants(target(), summary=None)
    assert target().wants(facts(), Endpoint.SHIPMENT, None, ())


def test_endpoint_that_is_not_named_is_not_wanted() -> None:
    assert not wants(target(endpoints=["shipment"]))
    assert wants(target(endpoints=["order"]))


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        (["OrderIssuedByBuyer"], True),
        (["Other", "Order*"], True),
        (["*ByBuyer"], True),
        (["*"], True),
        (["O*Issued*r"], True),
        (["Order"], False),
        (["orderissuedbybuyer"], False),
        (["Order?ssuedByBuyer"], False),
        (["Order[I]ssuedByBuyer", ".*"], False),
        (["*Shipment*"], False),
    ],
)
def test_event_names_are_compared_letter_by_letter_with_stars_for_any(patterns: list[str], wanted: bool) -> None:
    assert wants(target(events=patterns)) is wanted


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"companies": [BUYER]}, True),
        ({"companies": [BUYER.upper()]}, True),
        ({"companies": [OTHER, BUYER]}, True),
        ({"companies": [OTHER]}, False),
        ({"accounts": ["70044"]}, True),
        ({"accounts": ["D-10093"]}, True),
        ({"accounts": ["070044"]}, False),
        ({"companies": [BUYER], "accounts": ["1"]}, False),
    ],
)
def test_companies_and_accounts_are_judged_by_the_merged_order(filters: dict[str, Any], wanted: bool) -> None:
    assert wants(target(**filters)) is wanted


def test_event_that_does_not_say_whose_it_is_is_wanted() -> None:
    nobody = replace(SUMMARY, buyer_company_id=None, supplier_account_number=None, buyer_account_number=None)
    filtered = target(companies=[OTHER], accounts=["1"])
    assert wants(filtered, summary=nobody)
    assert wants(filtered, summary=None)


def test_changes_are_asked_for_only_where_there_is_a_mirror_and_nobody_asked_again() -> None:
    dates = target(changes=["date", "quantity"])
    assert wants(dates, changes=(change(ChangeKind.PRICE), change(ChangeKind.QUANTITY)))
    assert not wants(dates, changes=(change(ChangeKind.PRICE),))
    assert not wants(dates)
    assert wants(dates, summary=None)
    assert wants(dates, "OrderResentByBuyer")
    assert not wants(target(changes=["date"], accounts=["1"]), "OrderResentByBuyer")


# Opening


CLASS = """
from handlers.interface import Accepted
class Erp:
    def __init__(self, **options): self.options = options
    def deliver(self, event, merged, changes, body): return Accepted(repr(sorted(self.options.items())))
"""


def test_each_type_becomes_its_destination_in_the_order_of_the_settings(folder: Path) -> None:
    (folder / "own_class.py").write_text(CLASS)
    targets = open_destinations(
        read(
            '[destinations.erp]\ntype = "http"\nurl = "http://localhost:1/"\n'
            '[destinations.drops]\ntype = "folder"\npath = "drops"\n'
            '[destinations.own]\ntype = "python"\nclass = "own_class:Erp"\n'
            'options = { n = 3, secret_file = "s", notes_folder = "/n" }\n'
            '[destinations.tables]\ntype = "sql"\ndatabase_url = "sqlite:///erp.db"\n'
        )
    )
    assert [(each.name, type(each.destination)) for each in targets] == [
        ("erp", HttpDestination),
        ("drops", FolderDestination),
        ("own", PythonDestination),
        ("tables", SqlDestination),
    ]
    said = targets[2].destination.deliver(EVENT, {}, (), BODY)
    assert said == Accepted(repr([("n", 3), ("notes_folder", "/n"), ("secret_file", str(folder / "s"))]))
    (folder / "drops").mkdir()
    assert isinstance(targets[1].destination.deliver(EVENT, {}, (), BODY), Accepted)
    assert len(list((folder / "drops").iterdir())) == 1
    assert isinstance(targets[3].destination.deliver(EVENT, {}, (), BODY), Accepted)
    assert (folder / "erp.db").exists()
    for each in targets:
        each.destination.close()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("mysql+pymysql://u:hunter2@h/d", "mysql+pymysql needs the Python package pymysql; install it"),
        ("foxpro://u:hunter2@h/d", "SQLAlchemy knows no database foxpro"),
    ],
)
def test_database_that_nothing_here_can_talk_to_is_told_in_one_line(address: str, reason: str) -> None:
    settings = read(f'[destinations.erp]\ntype = "sql"\ndatabase_url = "{address}"\n')
    with pytest.raises(StartError) as raised:
        open_destinations(settings)
    assert str(raised.value) == f"destinations.erp.database_url: {reason}"


def test_no_destinations_are_none() -> None:
    assert open_destinations(read()) == []


def test_certificate_with_its_key_is_taken(folder: Path) -> None:
    ours = trustme.CA().issue_cert("receiver.example")
    ours.cert_chain_pems[0].write_to_path(folder / "c.pem")
    ours.private_key_pem.write_to_path(folder / "k.pem")
    open_destinations(
        read(
            '[destinations.erp]\ntype = "http"\nurl = "https://x/"\ncertificate = "c.pem"\nkey = "k.pem"\n'
            'ca_file = "c.pem"\n'
        )
    )


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('ca_file = "none"', "ca_file: cannot read {folder}/none: No such file or directory"),
        ('ca_file = "text"', "ca_file: {folder}/text is not PEM"),
        ('certificate = "none"', "certificate: cannot read {folder}/none: No such file or directory"),
        ('certificate = "c.pem"\nkey = "none"', "key: cannot read {folder}/none: No such file or directory"),
        (
            'certificate = "c.pem"\nkey = "other.pem"',
            "certificate: {folder}/c.pem is not a PEM file whose key fits and is not encrypted",
        ),
        (
            'certificate = "c.pem"',
            "certificate: {folder}/c.pem is not a PEM file whose key fits and is not encrypted",
        ),
    ],
)
def test_file_that_cannot_be_used_is_told_by_its_setting(folder: Path, lines: str, problem: str) -> None:
    authority = trustme.CA()
    authority.issue_cert("receiver.example").cert_chain_pems[0].write_to_path(folder / "c.pem")
    authority.issue_cert("receiver.example").private_key_pem.write_to_path(folder / "other.pem")
    (folder / "text").write_text("no PEM")
    settings = read(f'[destinations.erp]\ntype = "http"\nurl = "https://x/"\n{lines}\n')
    with pytest.raises(StartError) as caught:
        open_destinations(settings)
    assert str(caught.value) == f"destinations.erp.{problem.format(folder=folder)}"


def test_class_that_is_not_there_is_told_in_one_line(folder: Path) -> None:
    settings = read('[destinations.own]\ntype = "python"\nclass = "own_nowhere:Erp"\n')
    with pytest.raises(StartError) as caught:
        open_destinations(settings)
    assert str(caught.value) == (
        f"destinations.own.class: there is no module own_nowhere in {folder}, and none is installed"
    )
