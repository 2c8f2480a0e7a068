"""Findings kept as bytes, and sent again as they were: no generator and no seed is needed to see one again."""

from __future__ import annotations

import hashlib
import http.client
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from conformance import yaml_text
from conformance.generative.credentials import KnownCredentials
from conformance.generative.identity import tokenised, with_identity
from conformance.generative.judging import wrongs_of_status
from conformance.generative.values import AUTHORIZATION, Expectation, Finding

Send = Callable[[bytes], tuple[int | None, bytes]]


@dataclass(frozen=True, slots=True)
class Frozen:
    """A finding of an earlier run."""

    case_id: str
    operation: str
    check: str
    title: str
    what: str
    expectation: Expectation
    advisory: bool
    weak: bool
    request: bytes
    """Its bytes, with `{{authorization}}`, `{{message}}` and `{{order}}` where those stood."""

    def addressed(self, path: str, order: str) -> Frozen:
        """The same request for a receiver's own path, under an order number of this run."""
        head, _, body = self.request.partition(b"\r\n\r\n")
        line, _, rest = head.partition(b"\r\n")
        method, _, _ = line.partition(b" ")
        line = method + b" " + path.encode() + b" HTTP/1.1"
        body = with_identity(body, order)
        return replace(self, request=line + b"\r\n" + _of_length(rest, len(body)) + b"\r\n\r\n" + body)


def freeze(finding: Finding, folder: Path) -> Path:
    """Keeps a finding in the folder, under a name made of its content, and returns the file that describes it.

    The identity that the suite gave the body becomes tokens, so the same finding of another run is the same file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    head, separator, body = finding.request.partition(b"\r\n\r\n")
    body = tokenised(body)
    # Neither belongs to the finding: the host is the one of that run, the id is one of the generator.
    head = re.sub(rb"(?im)^(?:host|x-schemathesis-testcaseid|user-agent): .*\r?\n?", b"", head + b"\r\n").strip()
    request = _of_length(head, len(body)) + separator + body
    name = hashlib.sha256(
        finding.operation.encode() + b"\0" + finding.check.encode() + b"\0" + request
    ).hexdigest()[:16]
    described = {
        "case_id": finding.case_id,
        "operation": finding.operation,
        "check": finding.check,
        "expectation": finding.expectation.value,
        "advisory": finding.advisory,
        "weak": finding.weak,
        "title": finding.title,
        "what": finding.what,
    }
    (folder / f"{name}.http").write_bytes(request)
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(described, sort_keys=False, allow_unicode=False), encoding="utf-8")
    return file


def frozen(folder: Path) -> tuple[Frozen, ...]:
    """Every finding kept in the folder, by name."""
    return tuple(_read(file) for file in sorted(folder.glob("*.yaml"))) if folder.is_dir() else ()


def replay(kept: Frozen, send: Send) -> Finding | None:
    """Sends the request as it was kept; the finding if the answer's fate is wrong again, else None.

    `send` puts credentials and host in; it gives the status (None without an answer) and the answer's bytes.
    """
    status, response = send(kept.request)
    wrong = next(wrongs_of_status(kept.request.partition(b" ")[0].decode(), status, kept.expectation), None)
    if wrong is None:
        return None
    return Finding(
        case_id=kept.case_id,
        operation=kept.operation,
        title=wrong.title,
        what=f"frozen: {kept.what}",
        request=kept.request,
        status=status,
        response=response,
        check=wrong.check,
        expectation=kept.expectation,
        advisory=kept.advisory,
        weak=wrong.weak,
        frozen=True,
    )


def over_network(base_url: str, ca_file: Path | None, authorization: str, timeout: float) -> Send:
    """Sends on a plain socket, one connection for each request, exactly the bytes given but for the credentials."""
    parts = urlsplit(base_url)
    address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    context = (
        ssl.create_default_context(cafile=str(ca_file) if ca_file else None) if parts.scheme == "https" else None
    )

    known = KnownCredentials(authorization)

    def send(request: bytes) -> tuple[int | None, bytes]:
        line, _, rest = request.partition(b"\r\n")
        rest = rest.replace(AUTHORIZATION.encode(), authorization.encode(), 1)
        rest = re.sub(rb"(?im)^connection: .*\r\n", b"", rest, count=1)
        whole = line + b"\r\nHost: " + parts.netloc.encode() + b"\r\nConnection: close\r\n" + rest
        try:
            with socket.create_connection(address, timeout) as plain:
                connection = context.wrap_socket(plain, server_hostname=parts.hostname) if context else plain
                with connection:
                    connection.sendall(whole)
                    answer = http.client.HTTPResponse(connection)
                    answer.begin()
                    body = answer.read()
        except (OSError, http.client.HTTPException):
            return None, b""
        head = f"HTTP/1.1 {answer.status} {answer.reason}\r\n" + "".join(
            f"{n}: {v}\r\n" for n, v in answer.getheaders()
        )
        text = head.encode("latin-1", "replace") + b"\r\n" + body
        return answer.status, known.clean(text)

    return send


def _of_length(head: bytes, length: int) -> bytes:
    return re.sub(rb"(?im)^(content-length: )\d+", rb"\g<1>%d" % length, head)


def _read(file: Path) -> Frozen:
    described = yaml_text.read(file.read_text(encoding="utf-8"))
    described["expectation"] = Expectation(described["expectation"])
    return Frozen(**described, request=file.with_suffix(".http").read_bytes())
