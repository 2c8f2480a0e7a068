"""How a finished answer looks on the wire: the faults and benign variants that change any answer of a kind."""

from __future__ import annotations

import json
from dataclasses import replace

from conformance.mutants.answers import INVALID, MALFORMED, MEDIA, PROBLEM, SIZE, Answer, phrase
from conformance.mutants.faults import Faults

_TRACE = (
    'Traceback (most recent call last):\n  File "/srv/webhooks/receiver/handlers.py", line 212, in post\n'
    "    order = self.mapper.read(body)\nreceiver.errors.MappingError: cannot read the order\n"
)
_SQL = "INSERT INTO dbo.orders (number, body) VALUES (?, ?) failed on host sql-prod-02.corp.example"


def dressed(answer: Answer, faults: Faults) -> Answer:
    """The answer as this receiver sends it."""
    if faults.fault is not None:
        answer = _success(answer, faults) if answer.status < 300 else _error(answer, faults)
        if faults.on("MU-126"):
            answer = answer.with_header("X-Powered-By", "ASP.NET").with_header("X-AspNet-Version", "4.0.30319")
    if faults.benign is not None:
        answer = _benign(answer, faults)
    return answer


def _success(answer: Answer, faults: Faults) -> Answer:
    if faults.on("MU-116"):
        return replace(answer, status=201)
    if faults.on("MU-117"):
        return replace(answer, status=206)
    if faults.on("MU-114"):
        return replace(answer, body=b"OK, queued")
    return answer


def _error(answer: Answer, faults: Faults) -> Answer:
    detail = json.loads(answer.body).get("detail", "") if answer.media_type == PROBLEM else ""
    if faults.on("MU-41"):
        page = (
            f"<html><head><title>{answer.status}</title></head><body><h1>{phrase(answer.status)}</h1></body></html>"
        )
        return replace(answer, body=page.encode(), media_type="text/html")
    if faults.on("MU-42"):
        return replace(answer, body=answer.body.replace(f'"status": {answer.status}'.encode(), b'"status": 200'))
    if faults.on("MU-40"):
        return _with_detail(answer, f"{detail}\n{_TRACE}")
    if faults.on("MU-127"):
        return _with_detail(answer, f"{detail} {_SQL}")
    if faults.on("MU-123"):
        return replace(answer, body=json.dumps({"error": detail}).encode(), media_type="application/json")
    if faults.on("MU-124"):
        return replace(answer, body=b"", media_type=None)
    if faults.on("MU-125"):
        return replace(answer, body=f"Error: {detail}".encode(), media_type="application/json")
    return answer


def _with_detail(answer: Answer, detail: str) -> Answer:
    if answer.media_type != PROBLEM:
        return answer
    return replace(answer, body=json.dumps({**json.loads(answer.body), "detail": detail}).encode())


def _benign(answer: Answer, faults: Faults) -> Answer:
    if answer.status < 300:
        if faults.on("BV-1"):
            return replace(answer, status=200, body=b"", media_type=None)
        if faults.on("BV-2"):
            return replace(answer, status=202, body=b"Accepted", media_type="text/plain; charset=utf-8")
        if faults.on("BV-3"):
            return replace(answer, status=204, body=b"", media_type=None)
    if faults.on("BV-4") and answer.media_type == PROBLEM:
        members = json.loads(answer.body)
        aspnet = {"title": members["title"], "status": answer.status, "traceId": "00-7f1c0b6a4c1d4e0f-00"}
        return replace(answer, body=json.dumps(aspnet).encode(), media_type=f"{PROBLEM}; charset=utf-8")
    other_code = {("BV-5", SIZE): 404, ("BV-6", MEDIA): 400, ("BV-7", INVALID): 422, ("BV-11", MALFORMED): 500}
    for (variant, reason), status in other_code.items():
        if faults.on(variant) and answer.reason == reason:
            members = {**json.loads(answer.body), "title": phrase(status), "status": status}
            return replace(answer, status=status, body=json.dumps(members).encode())
    if faults.on("BV-8"):
        return replace(answer, close=True)
    if faults.on("BV-12"):
        answer = answer.with_header("Server", "nginx").with_header("Strict-Transport-Security", "max-age=31536000")
        return answer.with_header("X-Content-Type-Options", "nosniff").with_header("Cache-Control", "no-store")
    return answer
