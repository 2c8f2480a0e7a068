"""The service fetches documents from the sandbox's platform, whatever goes wrong there meanwhile."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.platform.logins import PASSWORD, USERNAME
from sandbox.platform.platform import Platform
from tests.acceptance.running import ORDER, RunningService, example

CONTENT = bytes(range(256)) * 500


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform(basic_seconds=0) as running:
        yield running


@pytest.fixture
def service(platform: Platform, tmp_path: Path) -> Iterator[RunningService]:
    extra = f"""
[documents]
url = "{platform.base}"
username = "{USERNAME}"
password = "{PASSWORD}"
allow_http = true
allow_private = true
retry_first = 0.2
"""
    running = RunningService(tmp_path, extra=extra).start()
    yield running
    running.kill()


def event(platform: Platform) -> bytes:
    """An event with two documents that the platform has under ids of their own; none is elsewhere."""
    found: dict[str, Any] = json.loads(re.sub(rb',\s*"url":\s*"[^"]*"', b"", example("order-documents")))
    found["meta"] = {"messageId": str(uuid.uuid4())}
    text = json.dumps(found)
    for old in object_ids(found):
        new = str(uuid.uuid4())
        platform.store.put_document(new, f"{new}.pdf", "application/pdf", CONTENT)
        text = text.replace(old, new)
    return text.encode()


def object_ids(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["objectId"]] if "objectId" in part else []
        return own + [id for value in part.values() for id in object_ids(value)]
    return [id for value in part for id in object_ids(value)] if isinstance(part, list) else []


def test_documents_arrive_whole_through_faults_of_calls_links_and_downloads(
    service: RunningService, platform: Platform
) -> None:
    platform.faults.refuse(429, retry_after=0)
    platform.faults.refuse(503)
    platform.faults.refuse_downloads(403)
    platform.faults.cut(1000)
    platform.faults.wrong_length(5)
    platform.faults.loop()
    answer = service.post(ORDER, event(platform))
    assert answer.status_code == 202
    service.wait_for_state(answer.json()["eventId"], "done")
    stored = [path for path in (service.folder / "data" / "documents").rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in stored] == [CONTENT, CONTENT]
    assert platform.state()["to_come"] == {"calls": 0, "downloads": 0}
    assert "credentials_on_links" not in platform.state()["counted"]


def test_dead_tokens_are_followed_by_a_new_login(service: RunningService, platform: Platform) -> None:
    for _ in range(2):
        answer = service.post(ORDER, event(platform))
        service.wait_for_state(answer.json()["eventId"], "done")
        platform.logins.end_all()
    assert platform.state()["counted"]["logins"] == 2
