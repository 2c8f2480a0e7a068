"""`webhooks config` as a check before a change: what is wrong is one line each, and the exit status tells it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from service import development
from tests.acceptance.changing import Renewal, config_says
from tests.acceptance.running import COMMAND, RunningService


@pytest.fixture
def stopped(tmp_path: Path) -> RunningService:
    """The files of a service that does not run."""
    return RunningService(tmp_path)


def last_line(service: RunningService) -> str:
    """The end of what it prints when all is well."""
    return service.webhooks("config").stdout.decode().splitlines()[-1]


def test_good_files_are_status_0_and_the_certificates_names_and_end_are_shown(stopped: RunningService) -> None:
    assert last_line(stopped) == "# certificate for localhost, 127.0.0.1; valid until 3000-01-01 00:00 UTC"


def test_key_of_another_certificate_is_status_1_and_the_settings_are_still_shown(stopped: RunningService) -> None:
    Renewal(stopped).key_alone()
    assert config_says(stopped, "server.certificate, server.key", "does not belong")
    assert b"server.port = " in stopped.webhooks("config", check=False).stdout


def test_everything_that_serving_lacks_is_a_line_of_its_own(stopped: RunningService) -> None:
    stopped.config.write_text("[server]\nport = 9443\n")
    for key in ("server.certificate", "server.key", "auth"):
        assert config_says(stopped, f"{key}: ")


def test_certificate_that_is_not_needed_behind_a_proxy_is_not_looked_at(tmp_path: Path) -> None:
    service = RunningService(tmp_path, https=False, extra='certificate = "none.pem"')
    assert "certificate for" not in last_line(service)


def test_files_of_development_mode_are_found_and_good(tmp_path: Path) -> None:
    development.prepare(tmp_path / ".webhooks-dev")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WEBHOOKS_")}
    result = subprocess.run(
        [str(COMMAND), "config"], cwd=tmp_path, env=environment, capture_output=True, check=True, timeout=60
    )
    assert b"# certificate for localhost, 127.0.0.1, ::1; valid until 2" in result.stdout


def test_class_of_a_destination_that_is_not_there_is_told_and_nothing_starts(tmp_path: Path) -> None:
    service = RunningService(tmp_path, extra='[destinations.own]\ntype = "python"\nclass = "no_such_module:Own"')
    assert config_says(service, "destinations.own.class", "no_such_module")
    started = service.webhooks("serve", check=False)
    assert started.returncode == 1
    assert b"destinations.own.class" in started.stderr
    assert b"Traceback" not in started.stderr
