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


def fill(control: str, stories: Sequence[Story]) -> None:
    """Store every document that an event will name, and the final state of each order and shipment to be polled.

    Raises:
        SandboxError: there is no such control port, or it refuses.
    """
    with requests.Session() as session:
        session.trust_env = False
        for story in stories:
            for document in story.stored_documents():
                body: JsonObject = {
                    "object_id": document.object_id,
                    "filename": document.filename,
                    "content_type": document.content_type,
                    "content_base64": base64.b64encode(document.content).decode(),
                }
                _post(session, f"{control}/platform/put-document", body)
            for kind, _, state in story.true_states():
                arguments: JsonObject = {kind: state}
                if kind == "order":
                    arguments["single_delivery"] = story.order.traits.single
                _post(session, f"{control}/platform/put-{kind}", arguments)


def _post(session: requests.Session, url: str, body: JsonObject) -> None:
    headers = {"Content-Type": "application/json"}
    try:
        content = json_text.write(body).encode()
        response = session.post(url, data=content, headers=headers, timeout=_TIMEOUT_SECONDS)
    except requests.RequestException as error:
        raise SandboxError(f"--platform: {url} does not answer ({type(error).__name__})") from error
    if not response.ok:
        raise SandboxError(f"--platform: {url} answered {response.status_code}: {response.text[:200]}")
