"""Swagger files as Tradecloud might publish them: the facts of ours, written down in another way, and a server for
them."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

from tools.generate import upstream
from tools.generate.pipeline import CONTRACTS, upstream_file

Json = Any

_FORMATS = {"decimal": "double", "date-time-local": "date-time", "time-local": None}


def ours(contract: str) -> Json:
    """Our file of `order` or `shipment`."""
    return upstream.read(upstream_file(CONTRACTS[contract]).read_bytes())


def as_bytes(document: Json) -> bytes:
    """The document as a file."""
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False).encode()


def published(contract: str) -> Json:
    """Our facts as another team may have written them: no extensions of ours, other names and order, lists closed,
    everything required, objects closed, limits, compositions, inline objects, shared parts, further operations.
    """
    document = _without_extensions(ours(contract))
    definitions = document["definitions"]
    for name, schema in definitions.items():
        _make_strict(schema)
        schema["title"] = name
        schema["xml"] = {"name": name}
    definitions["EventName"] = definitions["WebhookBody"]["properties"]["eventName"]
    definitions["WebhookBody"]["properties"]["eventName"] = {"$ref": "#/definitions/EventName"}
    definitions["WebhookBody"]["xml"] = {"name": "WebhookBody"}
    definitions["MessageIdentity"] = {
        "allOf": [{"$ref": "#/definitions/MessageMeta"}, {"description": "Identity."}]
    }
    definitions["WebhookBody"]["properties"]["meta"] = {"$ref": "#/definitions/MessageIdentity"}
    _split(definitions, "MessageMeta")
    _split(definitions, "OrderLine" if contract == "order" else "ShipmentLine")
    _write_inline(document, "Money" if contract == "order" else "ShipmentParty")
    document["definitions"] = {f"com.example.{name}Dto": definitions[name] for name in reversed(definitions)}
    _rename_references(document)
    (operation,) = (item["post"] for item in document["paths"].values())
    document["parameters"] = {"Event": operation["parameters"][0], "Trace": {"name": "Trace", "in": "header"}}
    document["responses"] = {"Taken": {"description": "", "schema": {"type": "string"}}}
    document["securityDefinitions"] = {"basic": {"type": "basic"}}
    document["produces"] = ["application/json"]
    document["consumes"] = operation.pop("consumes")
    operation["parameters"] = [{"$ref": "#/parameters/Event"}, {"$ref": "#/parameters/Trace"}]
    operation["responses"] = {200: {"$ref": "#/responses/Taken"}}
    operation |= {"security": [{"basic": []}], "produces": ["text/plain"], "deprecated": False}
    settings = {"parameters": [{"name": "body", "in": "body", "schema": {"type": "object", "oneOf": []}}]}
    document["paths"] = {
        "/settings": {"get": {"responses": {}}, "post": settings},
        "/example.com/webhook": {"post": operation},
    }
    return document


def _without_extensions(node: Json) -> Json:
    if isinstance(node, list):
        return [_without_extensions(one) for one in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _without_extensions(value) for key, value in node.items() if not key.startswith("x-")}
    if "x-known-values" in node:
        kept["enum"] = node["x-known-values"]
    return kept


def _make_strict(schema: Json) -> None:
    if schema.get("format") in _FORMATS:
        schema["format"] = _FORMATS[schema.pop("format")]
        schema |= {"multipleOf": 0.01, "minimum": 0} if schema["type"] == "number" else {}
        if schema["format"] is None:
            del schema["format"]
    match schema.get("type"):
        case "object" if "properties" in schema:
            schema["required"] = list(schema["properties"])
            schema["additionalProperties"] = schema.get("additionalProperties", False)
            schema |= {"minProperties": 1, "discriminator": "kind"}
            schema["properties"] = {name: schema["properties"][name] for name in reversed(schema["properties"])}
        case "array":
            schema |= {"minItems": 1, "maxItems": 2, "uniqueItems": True}
        case "string" if "enum" not in schema:
            schema |= {"minLength": 1, "maxLength": 2, "default": "x", "readOnly": True, "pattern": "^never$"}
    for member in schema.get("properties", {}).values():
        _make_strict(member)
    if "items" in schema:
        _make_strict(schema["items"])


def _split(definitions: Json, name: str) -> None:
    """One object as a composition of a base and the rest."""
    whole = definitions[name]
    members = list(whole["properties"].items())
    half = len(members) // 2
    definitions[f"{name}Base"] = {"type": "object", "properties": dict(members[:half])}
    definitions[name] = {
        "allOf": [{"$ref": f"#/definitions/{name}Base"}, {"type": "object", "required": whole["required"]}],
        "properties": dict(members[half:]),
    }


def _write_inline(document: Json, name: str) -> None:
    definition = document["definitions"].pop(name)
    definition.pop("xml", None)

    def put(node: Json) -> None:
        for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            put(value)
        if isinstance(node, dict):
            if node.get("allOf") == [{"$ref": f"#/definitions/{name}"}]:
                del node["allOf"]
                node.update(copy.deepcopy(definition) | node)
            elif node.get("$ref") == f"#/definitions/{name}":
                del node["$ref"]
                node.update(copy.deepcopy(definition))

    put(document)


def _rename_references(node: Json) -> None:
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/definitions/"):
            node["$ref"] = f"#/definitions/com.example.{reference.rpartition('/')[2]}Dto"
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _rename_references(value)


@dataclass
class LiveServer:
    """Files by path, or whole answers: status, headers, body."""

    base: str = ""
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    hung_up_on: list[str] = field(default_factory=list)
    """Answers that the client did not read to the end."""

    def publish(self, contract: str, content: bytes | Json, prefix: str = "") -> None:
        """Serve the file of `order` or `shipment` as Tradecloud does."""
        content = content if isinstance(content, bytes) else as_bytes(content)
        self.answer(f"{prefix}/v2/{CONTRACTS[contract]}-connector/specs.yaml", content)

    def answer(self, path: str, content: bytes, status: int = 200, **headers: str) -> None:
        """Serve anything else; `Content_Length` may lie."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = (status, {"Content-Length": str(len(content))} | named, content)


@contextmanager
def live_server() -> Iterator[LiveServer]:
    """A server of this machine, with nothing on it yet."""
    live = LiveServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            live.asked.append(self.path)
            status, headers, body = live.answers.get(self.path, (404, {"Content-Length": "0"}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body)
            except ConnectionError:
                live.hung_up_on.append(self.path)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False  # closing the server waits for the last answer
    live.base = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield live
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
