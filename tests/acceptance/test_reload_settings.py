"""Credentials and settings change while the service runs; what cannot be used changes nothing."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from service.reload import LOOK_EVERY
from tests.acceptance.changing import (
    NEXT,
    NEXT_USER,
    Renewal,
    attention,
    config_says,
    delivered,
    hang_up,
    logged,
    told,
    until,
    write,
)
from tests.acceptance.running import BASIC, ORDER, USER, RunningService, body

# Credentials


def test_changed_password_file_puts_the_new_password_in_force_and_ends_the_old_one(
    own_service: RunningService,
) -> None:
    file = own_service.folder / "next.txt"
    file.write_text("the-first-password\n")
    own_service.config.write_text(NEXT_USER + own_service.config.read_text())
    own_service.start()
    assert delivered(own_service, (NEXT[0], "the-first-password")) == 202
    assert delivered(own_service, NEXT) == 401
    write(file, f"{NEXT[1]}\n")
    until(lambda: delivered(own_service, NEXT) == 202, own_service)
    assert delivered(own_service, (NEXT[0], "the-first-password")) == 401
    assert delivered(own_service) == 202
    until(lambda: logged(own_service, "action=reloaded changed=credentials"), own_service)
    for secret in (NEXT[1], "the-first-password", USER[1]):
        assert secret not in own_service.log.read_text()


def test_second_user_in_the_settings_file_is_in_force_beside_the_first_until_one_is_removed(
    running: RunningService,
) -> None:
    without = running.config.read_text()
    write(running.config, NEXT_USER + without)
    hang_up(running)
    until(lambda: told(running, "auth.basic.next.password_file", "the old settings stay in force"), running)
    # only now comes the file that the settings name
    write(running.folder / "next.txt", NEXT[1])
    until(lambda: delivered(running, NEXT) == 202, running)
    assert delivered(running) == 202
    assert attention(running) == []
    write(running.config, without)
    hang_up(running)
    until(lambda: delivered(running, NEXT) == 401, running)
    assert delivered(running) == 202


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda text: text + "\n[server", "webhooks.toml"),
        (lambda text: text.replace("port =", "prot ="), "server.port"),
        (lambda text: "[server]" + text.partition("[server]")[2], "no credentials"),
        (lambda text: text.replace('username = "', 'username = "new:'), "auth.basic.main.username"),
    ],
    ids=["no TOML", "unknown key", "no credentials", "wrong value"],
)
def test_broken_settings_keep_everything_in_force_and_are_told_everywhere(
    running: RunningService, broken: Callable[[str], str], words: str
) -> None:
    good = running.config.read_text()
    write(running.config, broken(good))
    hang_up(running)
    until(lambda: told(running, words, "the old settings stay in force"), running)
    assert delivered(running) == 202
    assert "action=reload_refused" in running.log.read_text()
    assert config_says(running, words)
    renewal = Renewal(running)
    renewal.both()
    hang_up(running)
    until(lambda: renewal.presented_by(running), running)
    assert delivered(running) == 202
    assert told(running, words)
    write(running.config, good)
    hang_up(running)
    until(lambda: attention(running) == [], running)
    assert delivered(running) == 202


def test_removed_settings_file_keeps_everything_in_force_and_the_log_tells_it_once(running: RunningService) -> None:
    moved = running.config.with_name("moved.toml")
    running.config.rename(moved)
    until(lambda: told(running, "webhooks.toml", "the old settings stay in force"), running)
    time.sleep(2.5 * LOOK_EVERY)
    assert logged(running, "action=reload_refused") == 1
    hang_up(running)
    until(lambda: logged(running, "action=reload_refused") == 2, running)
    assert delivered(running) == 202
    moved.rename(running.config)
    until(lambda: attention(running) == [], running)


def test_settings_that_need_a_restart_are_told_by_name_until_they_are_put_back(running: RunningService) -> None:
    good = running.config.read_text()
    text = good.replace(f"port = {running.port}", f"port = {running.port}\nmax_waiting = 7")
    write(running.config, text + '\n[log]\nlevel = "debug"\n[inbox]\ncommit_timeout = 3\n')
    hang_up(running)
    until(lambda: attention(running), running)
    assert attention(running) == ["restart to put in force: server.max_waiting, inbox.commit_timeout"]
    hang_up(running)
    until(lambda: logged(running, "action=reloaded changed=nothing"), running)
    assert logged(running, "action=restart_needed settings=server.max_waiting,inbox.commit_timeout") == 1
    assert logged(running, "action=reloaded changed=log.level") == 1
    write(running.config, good)
    hang_up(running)
    until(lambda: attention(running) == [], running)


# SIGHUP


def test_settings_file_that_is_still_being_written_when_sighup_comes_costs_no_credential(
    running: RunningService,
) -> None:
    good = running.config.read_text()
    (running.folder / "next.txt").write_text(NEXT[1])
    complete = f"{good}\n# The beginning of this file is a whole one without the user at its end.\n{NEXT_USER}"
    write(running.config, complete)
    hang_up(running)
    until(lambda: delivered(running, NEXT) == 202, running)
    until(lambda: logged(running, "action=reloaded changed=credentials") == 1, running)
    for _ in range(3):
        lines = complete.splitlines(keepends=True)
        with running.config.open("w") as file:
            for i, line in enumerate(lines):
                file.write(line)
                file.flush()
                if i > len(lines) - 8:
                    hang_up(running)
                    time.sleep(0.05)
        assert delivered(running, NEXT) == 202
    until(lambda: logged(running, "action=reloaded changed=nothing"), running)
    assert logged(running, "action=reloaded changed=credentials") == 1
    write(running.config, good)
    hang_up(running)
    until(lambda: delivered(running, NEXT) == 401, running)
    (running.folder / "next.txt").unlink()


def test_sighup_logs_its_outcome_even_if_nothing_changed(running: RunningService) -> None:
    for _ in range(2):
        count = logged(running, "action=reloaded changed=nothing")
        hang_up(running)
        until(lambda: logged(running, "action=reloaded changed=nothing") > count, running)  # noqa: B023
    assert delivered(running) == 202


def test_storm_of_sighups_costs_no_delivery(running: RunningService) -> None:
    for _ in range(20):
        for _ in range(50):
            hang_up(running)
        assert delivered(running) == 202
    until(lambda: attention(running) == [], running)
    assert "Traceback" not in running.log.read_text()


def try_to_write(fifo: Path, data: bytes = b"") -> int | None:
    """Open a named pipe and write to it; None as long as nobody is reading it."""
    try:
        opened = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None
    os.write(opened, data)
    return opened


def test_sighups_before_the_start_is_finished_do_not_kill(own_service: RunningService) -> None:
    slow = own_service.folder / "next.txt"
    os.mkfifo(slow)
    own_service.config.write_text(NEXT_USER + own_service.config.read_text())
    ready = threading.Event()

    def hang_up_and_go_on() -> None:
        while not ready.wait(0.1):
            if opened := try_to_write(slow, NEXT[1].encode()):  # it has begun to read its settings
                hang_up(own_service)
                os.close(opened)

    sender = threading.Thread(target=hang_up_and_go_on)
    sender.start()
    try:
        own_service.start()
    finally:
        ready.set()
        sender.join()
    assert delivered(own_service) == 202


def test_file_that_cannot_be_read_to_its_end_holds_up_neither_deliveries_nor_the_end(
    own_service: RunningService,
) -> None:
    own_service.start()
    hanging = own_service.folder / "next.txt"
    os.mkfifo(hanging)
    write(own_service.config, NEXT_USER + own_service.config.read_text())
    opened: list[int | None] = [None]

    def is_read() -> bool:
        opened[0] = try_to_write(hanging)
        return opened[0] is not None

    until(is_read, own_service)
    hang_up(own_service)
    assert delivered(own_service) == 202
    assert attention(own_service) == []
    assert own_service.stop() == 0
    assert opened[0] is not None
    os.close(opened[0])


# Under load


def test_deliveries_during_20_exchanges_are_all_202(own_service: RunningService) -> None:
    (own_service.folder / "next.txt").write_text("password-0")
    own_service.config.write_text(NEXT_USER + own_service.config.read_text())
    own_service.start()
    ended = threading.Event()
    statuses: list[str] = []

    def deliver(*, anew: bool) -> None:
        with requests.Session() as session:
            while not ended.is_set():
                headers = {"Content-Type": "application/json"} | ({"Connection": "close"} if anew else {})
                try:
                    answer = session.post(
                        own_service.url + ORDER,
                        data=body(),
                        auth=BASIC,
                        headers=headers,
                        verify=trusted,
                        timeout=60,
                    )
                    statuses.append(str(answer.status_code))
                except requests.RequestException as error:
                    statuses.append(repr(error))

    trusted = str(own_service.ca)
    senders = [threading.Thread(target=deliver, kwargs={"anew": anew}) for anew in (True, True, False)]
    renewals = [Renewal(own_service) for _ in range(20)]
    for sender in senders:
        sender.start()
    try:
        for i, renewal in enumerate(renewals):
            write(own_service.folder / "next.txt", f"password-{i + 1}")
            renewal.both()
            hang_up(own_service)
            until(lambda: renewal.presented_by(own_service), own_service)  # noqa: B023
            assert delivered(own_service, (NEXT[0], f"password-{i + 1}")) == 202
            assert delivered(own_service, (NEXT[0], f"password-{i}")) == 401
    finally:
        ended.set()
        for sender in senders:
            sender.join()
    assert set(statuses) == {"202"}
    assert len(statuses) > 60


# Who is told


def test_behind_a_proxy_nobody_is_told_details(tmp_path: Path) -> None:
    service = RunningService(tmp_path, https=False)
    try:
        service.start()
        good = service.config.read_text()
        write(service.config, good.replace("[server]", "[server]\nmax_waiting = 7"))
        hang_up(service)
        until(lambda: "action=restart_needed settings=server.max_waiting" in service.log.read_text(), service)
        assert service.get("/health/ready").json() == {"status": "ready"}
        write(service.config, NEXT_USER + good)
        write(service.folder / "next.txt", NEXT[1])
        hang_up(service)
        until(lambda: delivered(service, NEXT) == 202, service)
        assert b"certificate" not in service.webhooks("config").stdout
    finally:
        service.kill()
