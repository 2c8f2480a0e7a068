"""Fill the stand-in of the platform's API with what the stories are about, by its control port."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import requests

from sandbox.errors import SandboxError
from sandbox.story.telling import Story
from sandbox.wire import json_text
from sandbox.wire.json_text import JsonObject

_TIMEOUT_SECONDS = 30


def content_of(control: str) -> str:
    """Where the documents are that events name by URL, once they are stored.

    Raises:
        SandboxError: there is no such control port, or it refuses.
    """
    with _session() as session:
        answer = _ask(session, "GET", f"{control}/platform/state")
        return str(answer.json()["content"])


def fill(control: str, stories: Sequence[Story]) -> None:
    """Store every document that an event will name, and the final state of each order and shipment to be polled.

    Raises:
        SandboxError: there is no such control port, or it refuses.
    """
    with _session() as session:
        for story in stories:
            for document in (*story.stored_documents(), *story.linked_documents()):
                body: JsonObject = {
                    "object_id": document.object_id,
                    "filename": document.filename,
                    "content_type": document.content_type,
                    "content_base64": base64.b64encode(document.content).decode(),
                }
                _ask(session, "POST", f"{control}/platform/put-document", body)
            for kind, _, state in story.true_states():
                arguments: JsonObject = {kind: state}
                if kind == "order":
                    arguments["single_delivery"] = story.order.traits.single
                _ask(session, "POST", f"{control}/platform/put-{kind}", arguments)


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


def _ask(session: requests.Session, method: str, url: str, body: JsonObject | None = None) -> requests.Response:
    headers = {"Content-Type": "application/json"}
    try:
        content = None if body is None else json_text.write(body).encode()
        response = session.request(method, url, data=content, headers=headers, timeout=_TIMEOUT_SECONDS)
    except requests.RequestException as error:
        raise SandboxError(f"--platform: {url} does not answer ({type(error).__name__})") from error
    if not response.ok:
        raise SandboxError(f"--platform: {url} answered {response.status_code}: {response.text[:200]}")
    return response
