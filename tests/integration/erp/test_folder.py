"""The destination `folder` on a real file system, well and in trouble."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from handlers.erp import folder as folder_module
from handlers.erp.folder import FolderDestination
from handlers.interface import Accepted, DocumentFile, DocumentState, ErpEvent, Outcome, RenderedBody, Unavailable
from tests.acceptance.running import ROOT
from tests.erp_events import BODY, EVENT, event

NAME = f"20261125-123005-{EVENT.id}-OrderIssuedByBuyer-PO1.json"
OTHER = RenderedBody("application/json", b'{"other": 1}')


def drop(path: Path, given: ErpEvent = EVENT, body: RenderedBody = BODY, **settings: Any) -> Outcome:
    destination = FolderDestination(path, **settings)
    try:
        return destination.deliver(given, {}, (), body)
    finally:
        destination.close()


def content(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in path.iterdir()}


def test_event_is_one_file_and_nothing_else_is_left(tmp_path: Path) -> None:
    assert drop(tmp_path) == Accepted(NAME)
    assert content(tmp_path) == {NAME: BODY.content}


def test_xml_gets_its_own_extension(tmp_path: Path) -> None:
    assert drop(tmp_path, body=RenderedBody("application/xml; charset=utf-8", b"<a/>")) == Accepted(
        NAME.replace(".json", ".xml")
    )


def test_done_file_follows_the_file(tmp_path: Path) -> None:
    assert drop(tmp_path, done_file=True) == Accepted(NAME)
    assert content(tmp_path) == {NAME: BODY.content, f"{NAME}.done": b""}


def test_same_event_again_is_accepted_and_no_second_file(tmp_path: Path) -> None:
    assert [drop(tmp_path) for _ in range(3)] == [Accepted(NAME)] * 3
    assert content(tmp_path) == {NAME: BODY.content}


def test_attempt_after_one_that_ended_before_the_done_file_makes_it(tmp_path: Path) -> None:
    drop(tmp_path)
    assert drop(tmp_path, done_file=True) == Accepted(NAME)
    assert set(content(tmp_path)) == {NAME, f"{NAME}.done"}


def test_other_content_under_that_name_gets_a_name_of_its_own_once(tmp_path: Path) -> None:
    second = NAME.replace(".json", "-2.json")
    drop(tmp_path)
    assert [drop(tmp_path, body=OTHER) for _ in range(2)] == [Accepted(second)] * 2
    assert drop(tmp_path) == Accepted(NAME)
    assert content(tmp_path) == {NAME: BODY.content, second: OTHER.content}


@pytest.mark.parametrize("kind", ["folder", "link", "dangling link", "pipe"])
def test_what_is_no_file_is_neither_followed_nor_replaced(tmp_path: Path, kind: str) -> None:
    drops, elsewhere = tmp_path / "drops", tmp_path / "elsewhere"
    drops.mkdir()
    there = drops / NAME
    match kind:
        case "folder":
            there.mkdir()
        case "link":
            elsewhere.write_bytes(BODY.content)
            there.symlink_to(elsewhere)
        case "dangling link":
            there.symlink_to(elsewhere)
        case "pipe":
            os.mkfifo(there)
    assert drop(drops) == Accepted(NAME.replace(".json", "-2.json"))
    assert not elsewhere.exists() or elsewhere.read_bytes() == BODY.content
    assert there.is_symlink() or not there.is_file()


def test_two_threads_with_the_same_event_make_one_file(tmp_path: Path) -> None:
    destination = FolderDestination(tmp_path)
    together = threading.Barrier(8)
    outcomes: list[Outcome] = []

    def work() -> None:
        together.wait(10)
        outcomes.append(destination.deliver(EVENT, {}, (), BODY))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [Accepted(NAME)] * 8
    assert content(tmp_path) == {NAME: BODY.content}


def test_foreign_values_stay_in_the_folder(tmp_path: Path) -> None:
    drops = tmp_path / "drops"
    drops.mkdir()
    given = event(purchase_order_numbers=("../../x",), event_name="/etc/passwd\x00")
    assert isinstance(drop(drops, given), Accepted)
    assert [each.name for each in tmp_path.iterdir()] == ["drops"]
    assert len(content(drops)) == 1


@pytest.mark.parametrize("way", ["rename", "link"])
def test_both_ways_to_give_a_name_replace_nothing_even_if_somebody_is_faster(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "link":
        # As on a system without renameat2.
        monkeypatch.setattr(folder_module, "_rename_no_replace", None)
    # As if the file had appeared right after it was looked for.
    monkeypatch.setattr(folder_module, "_exists", lambda *_: False)
    assert drop(tmp_path) == Accepted(NAME)
    second = NAME.replace(".json", "-2.json")
    assert drop(tmp_path, body=OTHER) == Accepted(second)
    assert content(tmp_path) == {NAME: BODY.content, second: OTHER.content}


def test_content_is_on_the_disk_before_it_has_its_name_and_the_name_before_the_done_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, set[str]]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        of_the_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        seen.append((of_the_folder, {name for name in content(tmp_path) if not name.endswith(".part")}))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    drop(tmp_path, done_file=True)
    assert seen == [(False, set()), (True, {NAME}), (True, {NAME, f"{NAME}.done"})]


# Trouble


def test_folder_that_is_gone_is_unavailable_until_it_is_back(tmp_path: Path) -> None:
    drops = tmp_path / "drops"
    destination = FolderDestination(drops)
    assert destination.deliver(EVENT, {}, (), BODY) == Unavailable(f"{drops}: No such file or directory")
    drops.mkdir()
    assert destination.deliver(EVENT, {}, (), BODY) == Accepted(NAME)


def test_file_in_the_place_of_the_folder_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "drops").touch()
    assert drop(tmp_path / "drops") == Unavailable(f"{tmp_path}/drops: Not a directory")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission_is_unavailable(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        assert drop(tmp_path) == Unavailable(f"{tmp_path}: Permission denied")
    finally:
        tmp_path.chmod(0o700)


#: In a process of its own: the bound on the size of files holds for all of it, the test runner's output too.
_SMALL_FILES = """
import resource, signal, sys
from pathlib import Path
from handlers.erp.folder import FolderDestination
from handlers.interface import RenderedBody
from tests.erp_events import event
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
body = RenderedBody("application/json", b"x" * 100_000)
print(FolderDestination(Path(sys.argv[1])).deliver(event(), {}, (), body))
"""


def test_disk_without_room_is_unavailable_and_no_half_file_stays(tmp_path: Path) -> None:
    # The kernel refuses to write on beyond a bound as it does on a full disk.
    told = subprocess.run(
        [sys.executable, "-c", _SMALL_FILES, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout == f"{Unavailable(f'{tmp_path}: {os.strerror(errno.EFBIG)}')}\n"
    assert content(tmp_path) == {}


def test_place_where_nobody_can_write_is_unavailable() -> None:
    # Unlike permissions, this one binds root, too.
    assert isinstance(drop(Path("/proc/self")), Unavailable)


def test_what_a_crash_left_is_removed_when_it_is_old(tmp_path: Path) -> None:
    old, new, other = (tmp_path / name for name in (".webhooks-1.part", ".webhooks-2.part", ".webhooks.json"))
    for each in (old, new, other):
        each.touch()
    for each in (old, other):
        os.utime(each, (time.time() - 4000, time.time() - 4000))
    FolderDestination(tmp_path)
    assert set(content(tmp_path)) == {new.name, other.name}


_ENDLESS = """
import sys
from pathlib import Path
from handlers.erp.folder import FolderDestination
from handlers.interface import RenderedBody
from tests.erp_events import event
destination = FolderDestination(Path(sys.argv[1]), done_file=True)
n = 0
print("ready", flush=True)
while True:
    n += 1
    destination.deliver(event(id=f"{n:036}"), {}, (), RenderedBody("application/json", b"x" * 200_000))
"""


def test_killed_writer_leaves_whole_files_only_and_each_done_file_has_its_file(tmp_path: Path) -> None:
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", _ENDLESS, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.2)
        process.kill()
        process.wait()
        process.stdout.close()
    found = content(tmp_path)
    files = {name: size for name, size in ((n, len(c)) for n, c in found.items()) if name.endswith(".json")}
    assert files
    assert set(files.values()) == {200_000}
    assert {name.removesuffix(".done") for name in found if name.endswith(".done")} <= set(files)


DOCUMENT = DocumentFile(
    place="supplierLine",
    line="10",
    code="1",
    revision=None,
    name="Zeichnung\x7f\n.pdf",
    state=DocumentState.STORED,
    path="/data/documents/ab/abcd/Zeichnung.pdf",
    sha256="0" * 64,
    size=7,
    media_type="application/pdf",
    reason=None,
)


def test_documents_stand_in_a_file_beside_the_event(tmp_path: Path) -> None:
    given = replace(EVENT, documents=(DOCUMENT,))
    name = drop(tmp_path, given, done_file=True, documents_file=True)
    assert isinstance(name, Accepted)
    beside = name.note.removesuffix(".json") + ".documents.json"
    assert sorted(content(tmp_path)) == sorted([name.note, f"{name.note}.done", beside])
    (told,) = json.loads((tmp_path / beside).read_text())
    assert (told["path"], told["size"], told["mediaType"]) == (DOCUMENT.path, 7, "application/pdf")
    assert "reason" not in told
    # The same attempt again changes nothing; after a replay that found more, another file tells it.
    drop(tmp_path, given, done_file=True, documents_file=True)
    drop(
        tmp_path,
        replace(given, documents=(replace(DOCUMENT, state=DocumentState.MISSING),)),
        done_file=True,
        documents_file=True,
    )
    assert len(list(tmp_path.glob("*.documents*.json"))) == 2


def test_without_the_setting_nothing_but_the_event_is_dropped(tmp_path: Path) -> None:
    """Or who takes every .json would take it for an event."""
    drop(tmp_path, replace(EVENT, documents=(DOCUMENT,)))
    assert list(content(tmp_path)) == [NAME]
