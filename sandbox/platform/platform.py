"""The platform: its API, its object store and a sender's content server, and what the control port does to them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from sandbox.certificates import Authority
from sandbox.control import Control, ControlError
from sandbox.platform.api import Api
from sandbox.platform.content import Content
from sandbox.platform.faults import Faults, Pace
from sandbox.platform.links import Links
from sandbox.platform.logins import PASSWORD, USERNAME, Logins
from sandbox.platform.store import Store, StoreError
from sandbox.serving import HttpServer


class Platform:
    """API, object store and a sender's content server at three ports. A context manager.

    By HTTPS if there is an authority, else by HTTP. Times are in seconds: a link is good for `link_seconds`, and
    given again instead of a new one within `repeat_seconds`; tokens live for `access_seconds` and
    `refresh_seconds`; a call with a user name takes `basic_seconds`.
    """

    def __init__(
        self,
        store: Store | None = None,
        authority: Authority | None = None,
        *,
        users: Mapping[str, str] | None = None,
        host: str = "127.0.0.1",
        api_port: int = 0,
        files_port: int = 0,
        content_port: int = 0,
        calls_per_second: int = 10,
        link_seconds: float = 60.0,
        repeat_seconds: float = 0.0,
        access_seconds: float = 3600.0,
        refresh_seconds: float = 86400.0,
        basic_seconds: float = 1.0,
    ) -> None:
        self.store = store or Store()
        self.faults = Faults()
        self.logins = Logins(
            users or {USERNAME: PASSWORD}, access_seconds=access_seconds, refresh_seconds=refresh_seconds
        )
        self.links = Links(self.store, self.faults, seconds=link_seconds, repeat_seconds=repeat_seconds)
        pace = Pace(calls_per_second)
        api = Api(self.store, self.logins, self.links, self.faults, pace, basic_seconds=basic_seconds)
        context = authority.server_context(host) if authority else None
        self._api = HttpServer(api, host=host, port=api_port, tls=context)
        self._files = HttpServer(self.links.answer, host=host, port=files_port, tls=context)
        content = Content(self.store, self.faults)
        self._content = HttpServer(content.answer, host=host, port=content_port, tls=context)
        self.links.base = self.files_url

    @property
    def base(self) -> str:
        """What stands before the path of every call: address and version."""
        return f"{self._api.url}/v2"

    def files_url(self) -> str:
        """The object store, on this machine under another name than the API: links lead to another host."""
        return self._files.url.replace("//localhost:", "//127.0.0.1:")

    @property
    def content_url(self) -> str:
        """The sender's content server; below it each document at its id, with any name behind that."""
        return self._content.url

    def register(self, control: Control) -> None:
        """Offer its faults and its store at the control port, under `platform/…`."""
        control.register("platform/state", self.state, looks=True)
        control.register("platform/refuse", self.faults.refuse)
        control.register("platform/slow", self.faults.slow)
        control.register("platform/cut-downloads", self.faults.cut)
        control.register("platform/wrong-length", self.faults.wrong_length)
        control.register("platform/slow-downloads", self.faults.slow_downloads)
        control.register("platform/late-downloads", self.faults.late_downloads)
        control.register("platform/refuse-downloads", self.faults.refuse_downloads)
        control.register("platform/redirect-downloads", self.faults.redirect)
        control.register("platform/redirect-loop", self.faults.loop)
        control.register("platform/clear", self.faults.clear)
        control.register("platform/expire-links", self.links.expire)
        control.register("platform/link-lifetime", self.set_link_seconds)
        control.register("platform/end-access-tokens", self.logins.end_access)
        control.register("platform/end-all-tokens", self.logins.end_all)
        control.register("platform/infect", self.infect)
        control.register("platform/put-document", self.put_document)
        control.register("platform/put-order", self.put_order)
        control.register("platform/put-shipment", self.put_shipment)

    def state(self) -> dict[str, Any]:
        """What is stored, what was counted, how many faults are still to come, and where a sender's own documents
        are."""
        return {
            "stored": self.store.counts(),
            "counted": self.faults.counted(),
            "to_come": self.faults.pending(),
            "content": self.content_url,
        }

    def set_link_seconds(self, seconds: float) -> None:
        """Let links that are made from now on be good for that long."""
        self.links.seconds = seconds

    def infect(self, object_id: str) -> None:
        """Let the virus scan find something in a document: it is 404 from now on."""
        try:
            self.store.infect(object_id)
        except StoreError as error:
            raise ControlError(str(error)) from error

    def put_document(
        self, object_id: str, filename: str, content_base64: str, content_type: str = "application/octet-stream"
    ) -> None:
        """Store a document, or replace it."""
        try:
            content = base64.b64decode(content_base64, validate=True)
        except binascii.Error as error:
            raise ControlError("content_base64: it is no base64") from error
        self.store.put_document(object_id, filename, content_type, content)

    def put_order(self, order: dict[str, Any], single_delivery: bool = False) -> None:
        """Keep an order for the poll endpoints, or replace it; it needs orderId and lastUpdatedAt."""
        try:
            self.store.put_order(order, single_delivery=single_delivery)
        except StoreError as error:
            raise ControlError(str(error)) from error

    def put_shipment(self, shipment: dict[str, Any]) -> None:
        """Keep a shipment for the poll endpoint, or replace it; it needs id and meta.lastUpdatedAt."""
        try:
            self.store.put_shipment(shipment)
        except StoreError as error:
            raise ControlError(str(error)) from error

    def start(self) -> Platform:
        """Begin to answer."""
        self._api.start()
        self._files.start()
        self._content.start()
        return self

    def stop(self) -> None:
        """Stop answering."""
        self._api.stop()
        self._files.stop()
        self._content.stop()

    def __enter__(self) -> Platform:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
