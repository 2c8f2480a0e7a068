"""Settings: a mistake is one line that names the key, its place and what is allowed, and shows no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.reading_settings import SECRET, mistakes, user

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("toml", "environ", "line"),
    [
        ("[server]\nprot = 1", {}, "server.prot: unknown key (webhooks.toml); did you mean server.port?"),
        ("[sever]\nport = 1", {}, "sever: unknown key (webhooks.toml); did you mean server?"),
        (
            "certificate = 'x'",
            {},
            "certificate: unknown key (webhooks.toml); did you mean server.certificate?",
        ),
        (
            "",
            {"WEBHOOKS_SERVER__PROT": "1"},
            "server.prot: unknown key (WEBHOOKS_SERVER__PROT); did you mean WEBHOOKS_SERVER__PORT?",
        ),
        (
            "",
            {"WEBHOOKS_SERVER_PORT": "1"},
            "server_port: unknown key (WEBHOOKS_SERVER_PORT); did you mean WEBHOOKS_SERVER__PORT?",
        ),
        (
            "",
            {"WEBHOOKS_ZZZ": "1"},
            "zzz: unknown key (WEBHOOKS_ZZZ); known are server, inbox, auth, processing, worker, documents, log, "
            "destinations",
        ),
        (
            "",
            {"WEBHOOKS_AUTH__BASIC__MAIN__PASWORD": SECRET},
            "auth.basic.main.pasword: unknown key (WEBHOOKS_AUTH__BASIC__MAIN__PASWORD); "
            "did you mean WEBHOOKS_AUTH__BASIC__MAIN__PASSWORD?",
        ),
        (
            "",
            {"WEBHOOKS_LOG": SECRET},
            "log: a table has no value; set WEBHOOKS_LOG__<KEY> (WEBHOOKS_LOG)",
        ),
        (
            "",
            {"WEBHOOKS_LOG__ZZZ": "1"},
            "log.zzz: unknown key (WEBHOOKS_LOG__ZZZ); known are level",
        ),
        (
            "",
            {"WEBHOOKS_SERVER__KEY": ""},
            "server.key: must not be empty; leave the key out instead (WEBHOOKS_SERVER__KEY)",
        ),
        (
            user(secret="password_file = ''"),
            {},
            "auth.basic.main.password_file: must not be empty; leave the key out instead (webhooks.toml)",
        ),
        ("log = 'x'", {}, "log: must be a table, [log] (webhooks.toml)"),
        ("[server]\nport = 70000", {}, "server.port: must be a whole number from 1 to 65535 (webhooks.toml)"),
        (
            "[server]\nport = 1",
            {"WEBHOOKS_SERVER__PORT": "x"},
            "server.port: must be a whole number from 1 to 65535 (WEBHOOKS_SERVER__PORT)",
        ),
        ("[server.port]\nx = 1", {}, "server.port: must be a whole number from 1 to 65535 (webhooks.toml)"),
        (
            "[server]\nbody_timeout = inf",
            {},
            "server.body_timeout: must be a number of seconds, over 0 and at most 86400 (webhooks.toml)",
        ),
        (
            "[server]\ndrain_timeout = 9.5",
            {},
            "server.drain_timeout: must be a number of seconds from 0 to 9 (webhooks.toml)",
        ),
        (
            "[server]\nmax_body_bytes = 500000000",
            {},
            "server.max_inflight_bytes: must be at least server.max_body_bytes, which is 500000000; "
            "it is 268435456 (webhooks.toml)",
        ),
        (
            '[server]\ntrusted_proxies = ["10.0.0.5/8"]',
            {},
            'server.trusted_proxies: "10.0.0.5/8" is neither an IP address nor a network such as 10.0.0.0/8 '
            "(webhooks.toml)",
        ),
        (
            "[log]\nlevel = 'loud'",
            {},
            'log.level: must be one of "debug", "info", "warning", "error" (webhooks.toml)',
        ),
        (
            user(secret="password = 'x'\nendpoints = ['invoice']"),
            {},
            'auth.basic.main.endpoints: must be a list with "order", "shipment" or both (webhooks.toml)',
        ),
        (
            user(secret="password = 'x'\npassword_file = 'y'"),
            {},
            "auth.basic.main.password: given twice, give either password or password_file (webhooks.toml)",
        ),
        (
            user(secret=""),
            {},
            "auth.basic.main.password: missing; must be a text, or give password_file or password_hash "
            "(webhooks.toml)",
        ),
        (
            user(secret="password = ''"),
            {},
            "auth.basic.main.password: must not be empty and must have no line breaks or other "
            "control characters (webhooks.toml)",
        ),
        (
            "[auth.bearer.robot]\ntoken = 'with space'",
            {},
            "auth.bearer.robot.token: must be letters, digits and - . _ ~ + / only, with = only at the end "
            "(webhooks.toml)",
        ),
        (
            user() + "[auth.bearer.MAIN]\ntoken = 'x'",
            {},
            "auth.bearer: the name MAIN stands in auth.basic too; each credential needs its own name "
            "(webhooks.toml)",
        ),
        (user('"a b"'), {}, 'auth.basic."a b": a name consists of letters, digits, - and _ (webhooks.toml)'),
    ],
)
def test_mistake_is_one_line_that_names_key_place_and_what_is_allowed(
    toml: str, environ: dict[str, str], line: str
) -> None:
    assert mistakes(toml, **environ) == [line]


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}@host/db",
        f"mysql://u:{SECRET}@host/db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://data/inbox.db",
        "sqlite:///file:x?mode=ro",
        "data/inbox.db",
        "",
    ],
)
def test_inbox_that_is_neither_a_sqlite_file_nor_a_postgresql_server_is_refused(url: str) -> None:
    (line,) = mistakes(f'[inbox]\nurl = "{url}"')
    assert line.startswith("inbox.url: must be sqlite:///PATH, a file, or postgresql+psycopg://USER:PASSWORD@HOST/")
    assert SECRET not in line


@pytest.mark.parametrize(
    ("url", "trouble"),
    [
        (f"postgresql+psycopg://u:{SECRET}@host", "names no database"),
        (f"postgresql+psycopg://u:{SECRET}@host:port/db", "is no address"),
    ],
)
def test_address_of_a_server_that_lacks_something_is_refused_without_being_shown(url: str, trouble: str) -> None:
    (line,) = mistakes(f'[inbox]\nurl = "{url}"')
    assert line.startswith(f"inbox.url: {trouble}")
    assert SECRET not in line


def test_empty_credential_lacks_both_its_keys() -> None:
    assert [line.split(";")[0] for line in mistakes("[auth.basic.main]")] == [
        "auth.basic.main.username: missing",
        "auth.basic.main.password: missing",
    ]


@pytest.mark.parametrize("username", ["", "a:b", "a\\tb", "a\\u007f"])
def test_user_name_that_basic_cannot_carry_is_refused(username: str) -> None:
    lines = mistakes(f'[auth.basic.main]\nusername = "{username}"\npassword = "x"')
    assert [line.split(":")[0] for line in lines] == ["auth.basic.main.username"]


def test_every_mistake_is_told_at_once() -> None:
    lines = mistakes("[server]\nprot = 1\nport = 0\n", WEBHOOKS_LOG__LEVEL="loud", WEBHOOKS_NOPE="x")
    assert sorted(line.split(":")[0] for line in lines) == ["log.level", "nope", "server.port", "server.prot"]


def test_secret_file_that_cannot_be_read_is_named_with_its_key(folder: Path) -> None:
    assert mistakes(user(secret='password_file = "nope"')) == [
        f"auth.basic.main.password_file: cannot read {folder}/nope: No such file or directory (webhooks.toml)"
    ]


def test_wrong_content_of_a_secret_file_is_told_with_the_file(folder: Path) -> None:
    (folder / "p").write_text("\n")
    (line,) = mistakes(user(secret='password_file = "p"'))
    assert line.startswith("auth.basic.main.password: must not be empty")
    assert line.endswith(f"({folder}/p, by password_file of webhooks.toml)")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (
            b"[server]\nhost = localhost\n",
            "webhooks.toml: line 2, column 8: Invalid value; a text stands in quotes",
        ),
        (
            b'[server]\nkey = "C:\\keys"\n',
            "webhooks.toml: line 2, column 12: Unescaped '\\' in a string; put a Windows path in single quotes",
        ),
        (b"[server]\n# \xe9\n", "webhooks.toml: line 2: not UTF-8 text; save the file as UTF-8"),
    ],
)
def test_file_that_is_no_toml_is_one_line_with_the_place(folder: Path, content: bytes, line: str) -> None:
    (folder / "webhooks.toml").write_bytes(content)
    assert mistakes() == [line]


def test_named_file_that_is_not_there_is_one_line() -> None:
    assert mistakes(WEBHOOKS_CONFIG="x.toml") == [
        "x.toml: cannot read the settings file: No such file or directory"
    ]


@pytest.mark.parametrize(
    "toml",
    [
        user(secret=f'pasword = "{SECRET}"'),
        user(secret=f'password = ["{SECRET}"]'),
        user(secret=f'password = "{SECRET}\\n"'),
        user(secret=f'password = {{ x = "{SECRET}" }}'),
        f'[auth.basic]\nmain = "{SECRET}"',
        f'[auth]\nbasic = "{SECRET}"',
        f'auth = "{SECRET}"',
        f'[auth.basic.main]\nusername = "tradecloud:{SECRET}"',
        f'[auth.basic.main.username]\npassword = "{SECRET}"',
        f'[auth.bearer.main]\ntoken = "{SECRET} "',
        f'[auth.bearer.main]\ntoken = "{SECRET}"\ntoken_file = "x"',
        f'[server]\nkey_password = ["{SECRET}"]',
        user(secret=f'password = "{SECRET}'),
        user(secret=f"password = {SECRET}"),
    ],
)
def test_no_mistake_shows_a_secret(toml: str) -> None:
    assert SECRET not in "\n".join(mistakes(toml))
