"""Settings of destinations: what each type takes, what is shown, and how a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from handlers.erp.verdicts import Rule, Verdict
from handlers.interface import ChangeKind, Endpoint
from service.settings import differences, effective, named_files
from service.settings_destinations import Content, Format, Kind
from tests.unit.reading_settings import SECRET, mistakes, read

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(*lines: str, name: str = "erp") -> str:
    return "\n".join([f"[destinations.{name}]", *lines, ""])


HTTP = ('type = "http"', 'url = "https://erp.example/in"')
FOLDER = ('type = "folder"', 'path = "drops"')
PYTHON = ('type = "python"', 'class = "my_erp:Orders"')
SQL = ('type = "sql"', 'database_url = "sqlite:///erp.db"')


def test_http_with_the_least_has_the_documented_defaults() -> None:
    erp = read(table(*HTTP)).destinations["erp"]
    assert (erp.type, erp.url, erp.method) == (Kind.HTTP, "https://erp.example/in", "POST")
    assert (erp.endpoints, erp.events, erp.companies, erp.accounts, erp.changes) == (
        tuple(Endpoint),
        None,
        None,
        None,
        (),
    )
    assert (erp.content, erp.format) == (Content.MERGED, Format.JSON)
    assert (erp.concurrency, erp.timeout, erp.max_per_second, erp.inline) == (4, 30, None, False)
    assert (erp.retry_first, erp.retry_max, erp.dead_after) == (1, 300, 7 * 86_400)


def test_everything_of_http_is_read(folder: Path) -> None:
    (folder / "s").write_text(f"{SECRET}\n")
    erp = read(
        table(
            *HTTP,
            'client_id = "c"',
            'client_secret_file = "s"',
            'token_url = "https://login.example/token"',
            'headers = ["X-Key: a: b", "X-Other:c"]',
            'outcomes = ["409=accepted", "460-469 = unavailable"]',
            'ca_file = "ca.pem"',
            'certificate = "c.pem"',
            'changes = ["date", "price"]',
        )
    ).destinations["erp"]
    assert erp.client_secret is not None
    assert erp.client_secret.get_secret_value() == SECRET
    assert erp.header_fields == {"X-Key": "a: b", "X-Other": "c"}
    assert erp.rules == (Rule(409, 409, Verdict.ACCEPTED), Rule(460, 469, Verdict.UNAVAILABLE))
    assert (erp.ca_file, erp.certificate) == (folder / "ca.pem", folder / "c.pem")
    assert erp.changes == (ChangeKind.DATE, ChangeKind.PRICE)


def test_path_of_a_folder_is_seen_from_the_settings_and_is_no_file_to_be_watched(folder: Path) -> None:
    settings = read(table(*FOLDER))
    assert settings.destinations["erp"].path == str(folder / "drops")
    assert list(named_files(settings)) == []


def test_database_of_sqlite_is_seen_from_the_settings_and_has_the_documented_defaults(folder: Path) -> None:
    erp = read(table(*SQL)).destinations["erp"]
    assert erp.database_url is not None
    assert erp.database_url.get_secret_value() == f"sqlite:///{folder}/erp.db"
    assert (erp.database_schema, erp.table_prefix, erp.create) == (None, "tradecloud_", True)


def test_address_of_a_database_is_a_secret_and_may_stand_in_a_file(folder: Path) -> None:
    address = f"postgresql+psycopg://erp:{SECRET}@db.example/erp"
    (folder / "address").write_text(f"{address}\n")
    settings = read(table('type = "sql"', 'database_url_file = "address"', 'schema = "erp"', "create = false"))
    erp = settings.destinations["erp"]
    assert erp.database_url is not None
    assert erp.database_url.get_secret_value() == address
    assert (erp.database_schema, erp.create) == ("erp", False)
    shown = dict(effective(settings))
    assert shown["destinations.erp.database_url"] == '"********"'
    assert shown["destinations.erp.schema"] == '"erp"'
    assert "destinations.erp.content" not in shown
    assert SECRET not in str(shown) + repr(settings)


def test_class_and_options_are_read_from_file_and_environment() -> None:
    settings = read(
        table(*PYTHON, 'options = { base = "x", retries = 3, ratio = 0.5, dry = true }'),
        WEBHOOKS_DESTINATIONS__ERP__OPTIONS__BASE="y",
        WEBHOOKS_DESTINATIONS__ERP__OPTIONS__SECRET=SECRET,
    )
    erp = settings.destinations["erp"]
    assert erp.python_class == "my_erp:Orders"
    assert {name: option.value for name, option in erp.options.items()} == {
        "base": "y",
        "retries": 3,
        "ratio": 0.5,
        "dry": True,
        "secret": SECRET,
    }


def test_variables_alone_make_a_destination() -> None:
    settings = read(
        WEBHOOKS_DESTINATIONS__ERP__TYPE="HTTP",
        WEBHOOKS_DESTINATIONS__ERP__URL="http://erp:8080/in",
        WEBHOOKS_DESTINATIONS__ERP__EVENTS="Order*, ShipmentUpdatedBySupplier",
        WEBHOOKS_DESTINATIONS__ERP__CHANGES="date,quantity",
        WEBHOOKS_DESTINATIONS__ERP__USERNAME="u",
        WEBHOOKS_DESTINATIONS__ERP__PASSWORD=SECRET,
    )
    erp = settings.destinations["erp"]
    assert erp.events == ("Order*", "ShipmentUpdatedBySupplier")
    assert erp.changes == (ChangeKind.DATE, ChangeKind.QUANTITY)


def test_nothing_secret_is_shown_and_nothing_of_another_type() -> None:
    settings = read(
        table(
            'type = "http"',
            f'url = "https://erp.example/in?code={SECRET}"',
            f'token = "{SECRET}"',
            f'headers = ["X-Key: {SECRET}"]',
        )
        + table(*PYTHON, f'options = {{ key = "{SECRET}" }}', name="own")
        + table(*FOLDER, name="drops")
    )
    shown = dict(effective(settings))
    assert SECRET not in str(shown)
    assert SECRET not in repr(settings)
    assert shown["destinations.erp.url"] == '"https://erp.example/in?********"'
    assert shown["destinations.erp.token"] == '"********"'
    assert shown["destinations.erp.headers"] == '["********"]'
    assert shown["destinations.own.options.key"] == '"********"'
    assert shown["destinations.own.class"] == '"my_erp:Orders"'
    assert shown["destinations.drops.done_file"] == "false"
    assert "destinations.drops.method" not in shown
    assert "destinations.erp.name" not in shown
    assert "destinations.own.path" not in shown


def test_what_is_shown_can_be_read_again() -> None:
    settings = read(table(*FOLDER) + table(*PYTHON, name="own"))
    written = "\n".join(f"{key} = {value}" for key, value in effective(settings) if key.startswith("destinations"))
    assert read(written).destinations == settings.destinations


def test_change_of_an_option_or_a_secret_is_a_difference() -> None:
    before = read(table(*PYTHON, 'options = { key = "a" }') + table(*HTTP, 'token = "a"', name="http"))
    after = read(table(*PYTHON, 'options = { key = "b" }') + table(*HTTP, 'token = "b"', name="http"))
    assert differences(before, after) == ["destinations.erp.options.key", "destinations.http.token"]


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (['url = "https://x/"'], '.type: missing; must be one of "http", "folder", "python", "sql"'),
        (['type = "ftp"'], '.type: must be one of "http", "folder", "python", "sql"'),
        (['type = "http"'], ": url is missing; must be an address such as https://host/path, in quotes"),
        (['type = "folder"'], ": path is missing; must be the path of a folder, in quotes"),
        (['type = "python"'], ': class is missing; must be "module:Class", in quotes'),
        (
            [*FOLDER, 'url = "https://x/"', 'method = "PUT"'],
            ": url and method: only for type http, and this one is folder; leave it out",
        ),
        ([*HTTP, "done_file = true"], ": done_file: only for type folder, and this one is http; leave it out"),
        ([*HTTP, 'class = "a:B"'], ": class: only for type python, and this one is http; leave it out"),
        (
            [*HTTP, 'token = "a"', 'username = "u"'],
            ": username and token are two ways to say who we are; give one of them",
        ),
        (
            [*HTTP, 'token = "a"', 'headers = ["authorization: x"]'],
            ": token and a header Authorization are two ways to say who we are; give one of them",
        ),
        ([*HTTP, 'username = "u"'], ": password is missing beside username"),
        ([*HTTP, 'scope = "u"'], ": client_id and client_secret and token_url is missing beside scope"),
        ([*HTTP, 'key = "k.pem"'], ": key is of no use without certificate"),
        ([*HTTP, "retry_first = 9", "retry_max = 3"], ": retry_max must not be less than retry_first"),
        (['type = "http"', 'url = "erp"'], ".url: must be an address such as https://host/path, in quotes"),
        (['type = "http"', 'url = "ftp://x/"'], ".url: must be an address such as https://host/path, in quotes"),
        (['type = "http"', f'url = "https://u:{SECRET}@x/"'], ".url: must not hold a user name or password"),
        (
            [*HTTP, 'token_url = "http://login.example/"'],
            ".token_url: must start with https:// (http:// only to this machine itself)",
        ),
        (
            [*HTTP, 'token = "a b"'],
            ".token: must be letters, digits and the usual marks only, without spaces and line breaks",
        ),
        ([*HTTP, 'method = "GET"'], '.method: must be "POST" or "PUT"'),
        (
            [*HTTP, 'headers = ["X"]'],
            '.headers: must hold texts such as "Name: value", without line breaks and letters beyond ASCII',
        ),
        (
            [*HTTP, r'headers = ["X: a\r\nY: b"]'],
            '.headers: must hold texts such as "Name: value", without line breaks and letters beyond ASCII',
        ),
        ([*HTTP, 'headers = ["Idempotency-Key: 1"]'], ".headers: Idempotency-Key is not for you to set"),
        (
            [*HTTP, 'outcomes = ["409"]'],
            '.outcomes: must hold texts such as "409=accepted"; the words are accepted, refused, unknown_order, '
            "unavailable, timed_out",
        ),
        ([*FOLDER, 'name = "{event_name}"'], ".name: must hold {event_id}: it is what makes each name another one"),
        (['type = "folder"', 'path = ""'], ".path: must be the path of a folder, in quotes"),
        (
            ['type = "python"', 'class = "my_erp"'],
            '.class: must be "module:Class", such as "my_erp:Orders" for class Orders in my_erp.py',
        ),
        ([*PYTHON, "options = { a = [1] }"], ".options: a must be a text, a number, true or false"),
        ([*PYTHON, 'options = { "a-b" = 1 }'], ".options: the name of an option consists of letters, digits and _"),
        ([*PYTHON, "options = 1"], ".options: must be a table, [destinations.erp.options]"),
        ([*HTTP, "dead_after = 31536001"], ".dead_after: must be a number of seconds, over 0 and at most 31536000"),
        ([*HTTP, "max_per_second = 0"], ".max_per_second: must be a number over 0"),
        ([*HTTP, "concurrency = 0"], ".concurrency: must be a whole number, at least 1"),
        ([*HTTP, 'content = "both"'], '.content: must be "merged" or "original"'),
        ([*HTTP, 'format = "txml"'], '.format: must be "json" or "xml"'),
        (
            ['type = "sql"'],
            ": database_url is missing; must be the address of a database such as "
            "postgresql+psycopg://user:password@host/database",
        ),
        ([*SQL, 'content = "original"', 'format = "xml"'], ": content and format: not for type sql; leave it out"),
        ([*SQL, 'url = "https://x/"'], ": url: only for type http, and this one is sql; leave it out"),
        ([*FOLDER, "create = true"], ": create: only for type sql, and this one is folder; leave it out"),
        (
            ['type = "sql"', f'database_url = "{SECRET}"'],
            ".database_url: must be an address such as postgresql+psycopg://user:password@host/database or "
            "sqlite:///erp.db; signs such as @ : / in a password are written as %40 %3A %2F",
        ),
        (
            ['type = "sql"', 'database_url = "sqlite://"'],
            ".database_url: must name a file after sqlite:///, or everything is gone when the service stops",
        ),
        ([*SQL, 'schema = "a b"'], ".schema: must be the name of a schema, in quotes"),
        (
            [*SQL, 'table_prefix = "x-"'],
            ".table_prefix: must be the beginning of a name, of letters, digits and _",
        ),
        (
            [*HTTP, 'changes = ["dates"]'],
            '.changes: must be a list with some of "added", "removed", "date", "quantity", "price", "status", '
            '"request", "item", "document", "other"',
        ),
    ],
)
def test_mistake_of_a_destination_is_one_line(lines: list[str], line: str) -> None:
    assert mistakes(table(*lines)) == [f"destinations.erp{line} (webhooks.toml)"]


def test_unknown_key_gets_a_suggestion() -> None:
    assert mistakes(table(*HTTP, 'passwrd = "x"')) == [
        "destinations.erp.passwrd: unknown key (webhooks.toml); did you mean destinations.erp.password?"
    ]


def test_only_one_destination_may_answer_for_an_endpoint() -> None:
    inline = "inline = true"
    two = table(*HTTP, inline) + table(*FOLDER, inline, name="drops")
    assert mistakes(two) == [
        "destinations: erp and drops both have inline = true for order; only one can answer (webhooks.toml)"
    ]
    read(
        table(*HTTP, inline, 'endpoints = ["order"]') + table(*FOLDER, inline, 'endpoints = ["shipment"]', name="d")
    )
