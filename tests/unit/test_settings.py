"""Settings: where they come from, what is shown of them, and what serving needs."""

from __future__ import annotations

import tomllib
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from service.settings import SettingsError, differences, effective, load, named_files, require_serving
from service.settings_models import Level
from tests.unit.reading_settings import SECRET, read, user

EVERYWHERE = "0.0.0.0"

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# Where settings come from


def test_nothing_set_gives_the_defaults() -> None:
    settings = read()
    assert settings.source is None
    assert (settings.server.host, settings.server.port, settings.log.level) == (EVERYWHERE, 8443, Level.INFO)
    assert not settings.auth.basic
    assert not settings.auth.bearer


def test_environment_is_stronger_than_file_and_file_than_default() -> None:
    settings = read("[server]\nport = 1111\nmax_waiting = 7", WEBHOOKS_SERVER__PORT="2222")
    assert (settings.server.port, settings.server.max_waiting, settings.server.max_connections) == (
        2222,
        7,
        1000,
    )


@pytest.mark.parametrize("variable", ["WEBHOOKS_LOG__LEVEL", "webhooks_log__level", "Webhooks_Log__Level"])
def test_variable_in_any_case_is_read(variable: str) -> None:
    assert read(**{variable: "DEBUG"}).log.level == "debug"


def test_variables_alone_make_a_credential() -> None:
    settings = read(
        WEBHOOKS_AUTH__BASIC__MAIN__USERNAME="tradecloud",
        WEBHOOKS_AUTH__BASIC__MAIN__PASSWORD=SECRET,
        WEBHOOKS_AUTH__BASIC__MAIN__ENDPOINTS="order, shipment",
    )
    main = settings.auth.basic["main"]
    assert (main.username, main.secret(), main.endpoints) == ("tradecloud", SECRET, ("order", "shipment"))


def test_variable_in_upper_case_means_the_name_as_the_file_has_it() -> None:
    settings = read(user("Main"), WEBHOOKS_AUTH__BASIC__MAIN__PASSWORD="other")
    assert {name: each.secret() for name, each in settings.auth.basic.items()} == {"Main": "other"}


def test_password_in_environment_replaces_password_file_of_file() -> None:
    settings = read(
        user(secret='password_file = "not-there"'), WEBHOOKS_AUTH__BASIC__MAIN__PASSWORD="from environment"
    )
    assert settings.auth.basic["main"].secret() == "from environment"
    assert settings.auth.basic["main"].password_file is None


def test_password_file_in_environment_replaces_password_of_file(folder: Path) -> None:
    (folder / "p").write_text("from file")
    assert read(user(), WEBHOOKS_AUTH__BASIC__MAIN__PASSWORD_FILE="p").auth.basic["main"].secret() == "from file"


def test_file_is_the_named_one_then_the_variables_then_the_one_here_then_development(folder: Path) -> None:
    for name in ("named", "variable", "webhooks", ".webhooks-dev/webhooks"):
        path = folder / f"{name}.toml"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    environ = {"WEBHOOKS_CONFIG": "variable.toml"}
    assert load(Path("named.toml"), environ=environ).source == folder / "named.toml"
    assert load(None, environ=environ).source == folder / "variable.toml"
    assert load(None, development_fallback=True, environ={}).source == folder / "webhooks.toml"
    (folder / "webhooks.toml").unlink()
    assert load(None, environ={}).source is None
    assert load(None, development_fallback=True, environ={}).source == folder / ".webhooks-dev/webhooks.toml"


def test_process_environment_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOKS_SERVER__PORT", "2222")
    assert load(None).server.port == 2222


def test_paths_are_seen_from_the_place_where_they_were_written(folder: Path) -> None:
    (folder / "etc").mkdir()
    (folder / "etc" / "a.toml").write_text('[server]\ncertificate = "c.pem"\nkey = "/k.pem"\n')
    environ = {"WEBHOOKS_SERVER__KEY_PASSWORD": "x"}
    settings = load(Path("etc/a.toml"), environ=environ)
    assert settings.server.certificate == folder / "etc" / "c.pem"
    assert settings.server.key == Path("/k.pem")
    assert settings.inbox.path == folder / "etc" / "data" / "inbox.db"
    settings = load(
        Path("etc/a.toml"),
        environ={"WEBHOOKS_SERVER__CERTIFICATE": "c.pem", "WEBHOOKS_INBOX__URL": "sqlite:///here.db"},
    )
    assert settings.server.certificate == folder / "c.pem"
    assert settings.inbox.path == folder / "here.db"


def test_inbox_without_file_is_in_the_working_directory(folder: Path) -> None:
    assert read().inbox.path == folder / "data" / "inbox.db"
    assert read('[inbox]\nurl = "sqlite:////srv/x.db"').inbox.path == Path("/srv/x.db")


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"pass", "pass"),
        (b"pass\n", "pass"),
        (b"pass\r\n", "pass"),
        (b" p\xc3\xa4ss ", " päss "),
        (b"\xef\xbb\xbfpass", "pass"),
    ],
)
def test_secret_file_is_read_without_its_last_line_break(folder: Path, content: bytes, secret: str) -> None:
    (folder / "p").write_bytes(content)
    assert read(user(secret='password_file = "p"')).auth.basic["main"].secret() == secret


def test_key_password_file_gives_the_key_password(folder: Path) -> None:
    (folder / "p").write_text("x\n")
    assert read('[server]\nkey_password_file = "p"').server.key_password == SecretStr("x")


def test_file_saved_by_a_windows_editor_is_read(folder: Path) -> None:
    (folder / "webhooks.toml").write_bytes(b"\xef\xbb\xbf[server]\r\nport = 1\r\n")
    assert read().server.port == 1


def test_proxies_may_be_addresses_and_networks() -> None:
    expected = (ip_network("10.0.0.5/32"), ip_network("10.1.0.0/16"), ip_network("::1/128"))
    assert read('[server]\ntrusted_proxies = ["10.0.0.5", "10.1.0.0/16", "::1"]').server.trusted_proxies == expected
    assert read(WEBHOOKS_SERVER__TRUSTED_PROXIES="10.0.0.5,10.1.0.0/16,::1").server.trusted_proxies == expected


def test_two_credentials_may_share_a_user_name() -> None:
    assert set(read(user("old") + user("new")).auth.basic) == {"old", "new"}


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        read().server.port = 1  # type: ignore[misc]


# What is shown


def test_effective_settings_show_every_value_and_mask_secrets(folder: Path) -> None:
    (folder / "t").write_text(SECRET)
    settings = read(
        f'[server]\nkey_password = "{SECRET}"\ntrusted_proxies = ["::1"]\n'
        + user()
        + "[auth.bearer.robot]\ntoken_file = 't'\nendpoints = ['order']"
    )
    shown = dict(effective(settings))
    assert SECRET not in str(shown)
    assert SECRET not in repr(settings)
    assert shown["server.port"] == "8443"
    assert shown["server.behind_proxy"] == "false"
    assert shown["server.trusted_proxies"] == '["::1/128"]'
    assert shown["inbox.url"] == f'"sqlite:///{folder}/data/inbox.db"'
    assert shown["server.key_password"] == shown["auth.basic.main.password"] == '"********"'
    assert shown["auth.bearer.robot.token"] == '"********"'
    assert shown["auth.bearer.robot.token_file"] == f'"{folder}/t"'
    assert shown["auth.bearer.robot.endpoints"] == '["order"]'
    assert "server.certificate" not in shown
    tomllib.loads("\n".join(f"{key} = {value}" for key, value in shown.items()))


# What is watched and compared


def test_every_setting_that_names_a_file_is_among_the_named_files(folder: Path) -> None:
    for name in ("k", "p", "t"):
        (folder / name).write_text("x")
    settings = read(
        "[server]\ncertificate = 'c'\nkey = 'sub/key'\nkey_password_file = 'k'\n"
        + user(secret="password_file = 'p'")
        + "[auth.bearer.robot]\ntoken_file = 't'"
    )
    assert dict(named_files(settings)) == {
        "server.certificate": folder / "c",
        "server.key": folder / "sub/key",
        "server.key_password_file": folder / "k",
        "auth.basic.main.password_file": folder / "p",
        "auth.bearer.robot.token_file": folder / "t",
    }


def test_differences_are_told_by_key_and_show_no_secret() -> None:
    before = read("[server]\nport = 1\n" + user("gone") + user("main"))
    after = read("[server]\nport = 2\n" + user("main", 'password = "other"') + user("new"))
    keys = differences(before, after)
    assert keys[:2] == ["server.port", "auth.basic.gone.username"]
    assert "auth.basic.main.password" in keys
    assert "auth.basic.main.username" not in keys
    assert "auth.basic.new.password" in keys
    assert SECRET not in str(keys)
    assert differences(after, after) == []


# What serving needs


def why_not(toml: str) -> list[str]:
    try:
        require_serving(read(toml))
    except SettingsError as error:
        return [line.split(":")[0] for line in str(error).splitlines()]
    return []


def test_serving_without_certificate_and_credentials_names_them_all() -> None:
    assert why_not("[log]") == ["server.certificate", "server.key", "auth"]


def test_serving_with_files_that_are_not_there_names_them() -> None:
    assert why_not("[server]\ncertificate = 'c'\nkey = 'k'\n" + user()) == [
        "server.certificate",
        "server.key",
    ]


def test_serving_with_certificate_and_credential_may_start(folder: Path) -> None:
    (folder / "c").touch()
    assert why_not("[server]\ncertificate = 'c'\nkey = 'c'\n" + user()) == []


@pytest.mark.parametrize(
    ("lines", "problems", "listen_host"),
    [
        ("", [], "127.0.0.1"),
        ("host = 'localhost'", [], "localhost"),
        ("host = '::1'", [], "::1"),
        ("host = '0.0.0.0'", ["server.host"], EVERYWHERE),
        ("host = 'example.com'", ["server.host"], "example.com"),
        ("trusted_proxies = ['10.0.0.1']", [], EVERYWHERE),
        ("host = '10.0.0.2'\ntrusted_proxies = ['10.0.0.1']", [], "10.0.0.2"),
    ],
)
def test_behind_a_proxy_that_is_not_named_only_this_machine_is_heard(
    lines: str, problems: list[str], listen_host: str
) -> None:
    toml = f"[server]\nbehind_proxy = true\n{lines}\n{user()}"
    assert why_not(toml) == problems
    settings = read(toml)
    assert settings.server.listen_host == listen_host
    assert dict(effective(settings))["server.host"] == f'"{listen_host}"'


def test_address_of_the_inboxs_server_is_shown_without_its_password_wherever_it_comes_from(folder: Path) -> None:
    address = f"postgresql+psycopg://hooks:{SECRET}@db.example:5433/webhooks?sslmode=require"
    (folder / "url").write_text(address + "\n")
    for settings in (read(f'[inbox]\nurl = "{address}"'), read("[inbox]\nurl_file = 'url'")):
        assert settings.inbox.url == address
        shown = dict(effective(settings))
        assert shown["inbox.url"] == '"postgresql+psycopg://db.example:5433/webhooks"'
        assert SECRET not in str(shown) + repr(settings) + repr(settings.inbox.place) + str(settings.inbox.place)
        assert settings.inbox.folder == folder / "data"
