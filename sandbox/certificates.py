"""A certificate authority of the sandbox's own, made at its start; its key is never written."""

from __future__ import annotations

import ssl

import trustme


class Authority:
    """Issues the certificates of all servers of one sandbox; whoever trusts it reaches them by HTTPS."""

    def __init__(self) -> None:
        self._authority = trustme.CA(organization_name="Sandbox of Tradecloud webhooks")

    @property
    def pem(self) -> str:
        """Its own certificate."""
        return self._authority.cert_pem.bytes().decode()

    def server_context(self, *more_hosts: str) -> ssl.SSLContext:
        """TLS for a server on this machine, and under the other names given."""
        hosts = dict.fromkeys(["localhost", "127.0.0.1", "::1", *more_hosts])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*hosts, common_name="localhost").configure_cert(context)
        return context
