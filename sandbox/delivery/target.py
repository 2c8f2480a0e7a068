"""Whom the sandbox may send to: what it sends looks like real orders."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from sandbox.errors import SandboxError


def checked(url: str, allowed: str | None, option: str = "--url") -> str:
    """The base URL of that option without a slash at its end.

    Raises:
        SandboxError: it is no URL, or names another machine without its owner's word.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise SandboxError(f"{option} {url}: {error}") from error
    # What stands before an @ would become credentials, in place of the wanted ones.
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or "@" in parts.netloc:
        raise SandboxError(f"{option} {url}: write it as https://host:port")
    if not on_loopback(host) and host != allowed:
        raise SandboxError(
            f"{option} {url}: {host} is another machine, and what is sent to it may become real orders; "
            f"if it is a test system of yours, say so: --i-own-the-target {host}"
        )
    return url.rstrip("/")


def checked_path(option: str, path: str) -> str:
    """The path, to be put behind a base URL.

    Raises:
        SandboxError: put there it would change the host, or could not be sent.
    """
    if not path.startswith("/"):
        raise SandboxError(f"{option} {path}: a path begins with /")
    return path


def on_loopback(host: str) -> bool:
    """Whether only this machine can be meant."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
