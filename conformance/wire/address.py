"""Where the receiver is, and whom to trust there."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


class AddressError(ValueError):
    """A text is no address of a receiver; the message says how to write one."""


@dataclass(frozen=True, slots=True)
class Address:
    """Host and port of a base URL."""

    host: str
    port: int
    secure: bool = True
    base_path: str = ""
    ca_file: Path | None = None
    verify: bool = True

    @classmethod
    def of(cls, url: str, ca_file: Path | None = None) -> Address:
        """The address of a URL such as https://localhost:8443/base.

        Raises:
            AddressError: it is no http(s) URL.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise AddressError(f"{url!r} is no address: {error}") from error
        if parts.scheme not in ("http", "https") or not host:
            raise AddressError(f"{url!r} is no address; write it as https://host:port/path")
        secure = parts.scheme == "https"
        return cls(host, port or (443 if secure else 80), secure, parts.path.rstrip("/"), ca_file)

    @property
    def authority(self) -> str:
        """What stands in the Host field."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{'https' if self.secure else 'http'}://{self.authority}{self.base_path}"

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can be meant."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def context(self, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
        """TLS as Tradecloud would do it: 1.2 or later, the certificate checked."""
        context = ssl.create_default_context(cafile=None if self.ca_file is None else str(self.ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context
