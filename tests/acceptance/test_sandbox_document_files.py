"""What the files of documents are called and told as, whatever the platform or a sender calls them and puts in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.platform.platform import Platform
from service.inbox.reader import Row
from tests.acceptance.naming_documents import (
    CONTENT,
    Document,
    accepted,
    by_object,
    by_url,
    folder_of,
    kept,
    order_event,
    send,
    send_shipment,
    settings,
    when_done,
)
from tests.acceptance.running import ORDER, RunningService


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform(basic_seconds=0) as running:
        yield running


@pytest.fixture(scope="module")
def service(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    running = RunningService(tmp_path_factory.mktemp("service"), extra=settings(platform)).start()
    yield running
    running.kill()


def named_by_platform(platform: Platform, name: str, content: bytes, media_type: str) -> Document:
    """The name is the platform's `filename`."""
    return by_object(platform, content, filename=name, media_type=media_type)


def named_by_event(platform: Platform, name: str, content: bytes, media_type: str) -> Document:
    """The name is the event's `name`."""
    return by_url(platform, content, media_type=media_type, name=name)


NAMED_BY = pytest.mark.parametrize("named_by", [named_by_platform, named_by_event])

HTML = b"<!DOCTYPE html><script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'

#: Name, declared type, content.
ACTIVE = [
    ("page.html", "text/html", HTML),
    ("drawing.svg", "image/svg+xml", SVG),
    ("drawing.SVG", "application/octet-stream", SVG),
    ("drawing.svg. .", "image/png", b"anything"),
    ("no extension", "text/html; charset=utf-8", b"anything"),
    ("picture.png", "image/png", HTML),
    ("picture.jpg", "image/jpeg", b" " * 1400 + HTML),
    ("wide.bin", "application/octet-stream", HTML.decode().encode("utf-16")),
    ("drawing.pdf", "application/pdf", b"\xef\xbb\xbf" + SVG),
]


@NAMED_BY
def test_html_and_svg_are_kept_as_plain_text_whatever_they_are_called(
    service: RunningService, platform: Platform, named_by: Callable[[Platform, str, bytes, str], Document]
) -> None:
    named = [named_by(platform, name, content, media_type) for name, media_type, content in ACTIVE]
    documents = when_done(service, send(service, *named))
    for document, (name, _, content) in zip(documents, ACTIVE, strict=True):
        assert document["path"].endswith(".txt"), name
        assert document["media_type"] == "text/plain", name
        assert Path(document["path"]).read_bytes() == content, name
        assert document["sha256"] == hashlib.sha256(content).hexdigest()


def test_html_and_svg_of_a_shipment_are_kept_as_plain_text(service: RunningService, platform: Platform) -> None:
    named = [named_by_platform(platform, "page.html", HTML, "text/html")]
    also = [named_by_event(platform, "drawing.svg", SVG, "image/svg+xml")]
    documents = when_done(service, send_shipment(service, named, also))
    assert {(Path(each["path"]).name, each["media_type"]) for each in documents} == {
        ("page.html.txt", "text/plain"),
        ("drawing.svg.txt", "text/plain"),
    }


def test_blocked_extension_is_refused_with_its_reason_and_not_downloaded(
    service: RunningService, platform: Platform
) -> None:
    before, downloads = kept(service), _downloads(platform)
    named = [
        named_by_platform(platform, "virus.exe", CONTENT, "application/pdf"),
        named_by_platform(platform, "virus.pdf.Js . ", CONTENT, "application/pdf"),
        named_by_event(platform, "virus.bat", CONTENT, "application/pdf"),
        by_url(platform, path="/virus%2Eexe", name="harmless.pdf"),
    ]
    documents = when_done(service, send(service, *named))
    assert [(each["state"], each["reason"]) for each in documents] == [
        ("refused", f"files with the extension .{extension} are not taken (documents.blocked_extensions)")
        for extension in ("exe", "js", "bat", "exe")
    ]
    assert kept(service) == before
    assert _downloads(platform) == downloads


def test_blocked_extension_at_the_end_of_a_redirect_is_refused(service: RunningService, platform: Platform) -> None:
    before = kept(service)
    platform.faults.redirect(by_url(platform, path="/virus.exe")["url"])
    (document,) = when_done(service, send(service, by_url(platform, name="drawing.pdf")))
    assert document["state"] == "refused"
    assert ".exe" in document["reason"]
    assert kept(service) == before


#: Each without an extension that is blocked, or that a browser would run.
NAMES = [
    "../../x",
    "..\\..\\x.pdf",
    "/etc/passwd",
    "C:\\Windows\\x.pdf",
    "CON",
    "con.pdf",
    "LPT1.tar.gz",
    "a" * 300,
    "a" * 300 + ".pdf",
    "图" * 300 + ".pdf",
    "a.b" * 100,
    "trailing dots...",
    "trailing blank.pdf ",
    ".",
    "..",
    "...",
    ".hidden",
    "-rf",
    "~",
    "nul\0byte.pdf",
    "line\r\nbreak.pdf",
    "\x1b[31mred.pdf",
    "\u202efdp.txt",
    "zero\u200bwidth.pdf",
    'a<b>c:d"e|f?g*h.pdf',
    "stream.pdf::$DATA",
    "100%25.pdf",
    "é.pdf",
    "e\u0301.pdf",
    "😀.pdf",
    "",
    "same name.pdf",
    "same name.pdf",
]


@NAMED_BY
def test_any_name_ends_as_a_file_inside_the_folder_with_its_content(
    service: RunningService, platform: Platform, named_by: Callable[[Platform, str, bytes, str], Document]
) -> None:
    outside = _files_outside(service)
    contents = [f"{number} {name!r}".encode() for number, name in enumerate(NAMES)]
    named = [named_by(platform, *each, "application/pdf") for each in zip(NAMES, contents, strict=True)]
    documents = when_done(service, accepted(service, ORDER, order_event({("line", "supplier"): named})))
    paths = [_usable(service, document) for document in documents]
    assert [path.read_bytes() for path in paths] == contents
    assert len(set(paths)) == len(NAMES)
    assert _files_outside(service) == outside


@NAMED_BY
@pytest.mark.parametrize("hidden", [".exe", ".html", ".svg"])
def test_name_that_is_cut_does_not_end_in_an_extension_that_it_did_not_have(
    service: RunningService, platform: Platform, named_by: Callable[..., Document], hidden: str
) -> None:
    # Wherever the cut is.
    named = [
        named_by(platform, "a" * length + hidden + "b" * 200, CONTENT, "application/pdf")
        for length in range(120 - 3 * len(hidden), 121)
    ]
    for document in when_done(service, send(service, *named)):
        assert not _usable(service, document).name.endswith(hidden)


def _usable(service: RunningService, document: Row) -> Path:
    """The path of a stored file whose name can be used on every system."""
    assert document["state"] == "stored", document
    path = Path(document["path"])
    assert path == path.resolve()
    assert len(path.relative_to(folder_of(service)).parts) == 3  # two folders made from its key, and the name
    assert path.name.isprintable()
    assert not set(path.name) & set('<>:"/\\|?*')
    assert not path.name.startswith((".", "-", "~", " "))
    assert not path.name.endswith((".", " "))
    assert path.name.partition(".")[0].upper() not in ("CON", "LPT1")
    assert len(path.name.encode()) <= 120
    return path


def _files_outside(service: RunningService) -> set[str]:
    """Names of what lies beside the folder of documents, where a name that climbs would lead."""
    above = [service.folder, service.folder / "data", service.folder.parent]
    return {str(path) for folder in above for path in folder.iterdir() if "inbox.db" not in path.name}


def _downloads(platform: Platform) -> int:
    counted = platform.state()["counted"]
    return int(counted.get("downloads", 0) + counted.get("content", 0))
