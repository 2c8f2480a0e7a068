"""[documents]: what is on, what belongs together, and what nobody gets to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.documents import open_fetching
from service.errors import StartError
from service.settings import SettingsError, effective
from tests.unit.reading_settings import read

pytestmark = pytest.mark.usefixtures("folder")

SECRET = "hunter2-nobody-may-see-this"
PLATFORM = f'[documents]\nurl = "https://api.example/v2"\nusername = "me"\npassword = "{SECRET}"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_off_by_default_on_with_the_platform_or_by_word() -> None:
    assert not read("").documents.is_on
    assert read(PLATFORM).documents.is_on
    assert not read(PLATFORM + "enabled = false").documents.is_on
    alone = read("[documents]\nenabled = true").documents
    assert (alone.is_on, alone.has_platform) == (True, False)


def test_password_is_not_shown() -> None:
    shown = dict(effective(read(PLATFORM)))
    assert shown["documents.password"] == '"********"'
    assert SECRET not in repr(read(PLATFORM))


def test_location_is_seen_from_the_folder_of_the_settings_unless_it_is_a_url(folder: Path) -> None:
    assert read('[documents]\nlocation = "files"').documents.location == str(folder / "files")
    assert read('[documents]\nlocation = "s3://bucket/x"').documents.location == "s3://bucket/x"


def test_without_a_line_the_location_is_seen_from_the_folder_of_the_settings_too(folder: Path) -> None:
    assert read(PLATFORM).documents.location == str(folder / "data" / "documents")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('url = "https://api.example/v2"', "username and password is missing beside url"),
        ('url = "http://api.example/v2"\nusername = "u"\npassword = "p"', "must start with https://"),
        ("calls_per_second = 11", "at most 10"),
        ('blocked_extensions = ["a/b"]', "a list of extensions"),
        ("retry_first = 5\nretry_max = 1", "retry_max must not be less"),
        ('location = ""', "must be the path of a folder or an address"),
    ],
)
def test_mistake_is_named_by_its_key(lines: str, said: str) -> None:
    with pytest.raises(SettingsError, match=r"^documents") as refused:
        read(f"[documents]\n{lines}\n")
    assert said in str(refused.value)


def test_destination_must_not_be_called_documents() -> None:
    with pytest.raises(SettingsError, match="built-in destination"):
        read('[destinations.documents]\ntype = "folder"\npath = "x"\n')


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('ca_file = "nowhere.pem"', r"documents\.ca_file: cannot read .*nowhere\.pem"),
        ('location = "nonsense://x"', r"documents\.location: nonsense:// cannot be used"),
        ('location = "s3://bucket"', r"documents\.location: s3:// needs a package that is not installed"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line_at_the_start(line: str, said: str) -> None:
    with pytest.raises(StartError, match=said) as refused:
        open_fetching(read(f"{PLATFORM}{line}\n"))
    assert "\n" not in str(refused.value)


def test_off_nothing_is_opened() -> None:
    assert open_fetching(read("")) is None
