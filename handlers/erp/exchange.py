"""One request and its answer, within a time that nobody on the other side can stretch. Blocking, for many threads.

`requests` bounds each read, so a server that sends a byte now and then would hold a thread for ever. Here a timer
cuts the connection when the time of the whole exchange is over. Only looking a name up cannot be cut: there the
system's own patience counts.

Proxies are those of the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), but never for addresses of this machine.
Nothing else is taken from the environment: no .netrc, no certificates. Cookies are not kept and redirects are not
followed.
"""

from __future__ import annotations

import http.client
import http.cookiejar
import os
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection

from handlers.oauth.authority import on_loopback

#: What is read of an answer's body unless somebody asks for more.
MAX_BODY_BYTES = 64 * 1024


class UnreachableError(Exception):
    """No answer, and the request was most likely not acted on; the text says why, without anything secret."""


class TooSlowError(Exception):
    """The request was sent, and no answer came in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side answered."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes
    """Its beginning."""
    complete: bool
    """Whether that is all of it."""


class Deadline:
    """The end of the time that something may take."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, never less than nothing."""
        return max(0.0, self._end - time.monotonic())


def tls_context(
    authorities: Path | None = None, certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """TLS that trusts the authorities that everybody knows and those of a PEM file, with a certificate of ours.

    Raises:
        OSError: a file cannot be read or used (`ssl.SSLError` is one).
    """
    context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    if authorities is not None:
        context.load_verify_locations(cafile=authorities)
    if certificate is not None:
        # The callback, because OpenSSL would otherwise ask for the password of a key at the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
    return context


class HttpClient:
    """Connections that each thread keeps for itself."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls or tls_context()
        self._local = threading.local()
        # Weak, so that the connections of a thread end with it.
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()
        self._lock = threading.Lock()

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        deadline: Deadline,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> Answer:
        """The answer to a request; whatever its status, it is one.

        Raises:
            UnreachableError: no connection, or it broke before an answer.
            TooSlowError: no answer in time.
        """
        place = place_of(url)
        if deadline.left <= 0:
            raise UnreachableError(f"{place}: no time was left to ask it")
        session = self._session()
        with Watch(deadline.left) as watch:
            try:
                with session.request(
                    method,
                    url,
                    data=content,
                    headers=dict(headers),
                    stream=True,
                    allow_redirects=False,
                    # The watch should be first: it knows whether the request had been sent.
                    timeout=(deadline.left, deadline.left + 1),
                    proxies=proxies_for(url),
                ) as response:
                    if watch.expired:
                        # The library takes a head that was cut for one that ends there.
                        raise TimeoutError
                    body, complete = _beginning(response, max_body_bytes)
                    return Answer(response.status_code, response.headers, body, complete)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                late = watch.expired or any(
                    isinstance(cause, requests.Timeout | TimeoutError) for cause in causes_of(error)
                )
                if late and watch.sent:
                    raise TooSlowError(f"{place}: it does not answer in time") from None
                reason = "no connection in time" if late else reason_of(error)
                raise UnreachableError(f"{place}: {reason}") from None

    def close(self) -> None:
        """End all connections."""
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.close()

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = new_session(self._tls)
            with self._lock:
                self._sessions.add(session)
        return session


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere: who follows redirects does so by hand.

        Also where they are not to be followed the library prepares the next request, for which it reads the whole
        body of this answer into the memory, however long it is.
        """


def new_session(tls: ssl.SSLContext) -> requests.Session:
    """A session that takes nothing from the environment and keeps no cookies; to be used inside a `Watch` only."""
    session = _Session()
    session.trust_env = False
    session.headers = {
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "User-Agent": "tradecloud-webhooks",
    }
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        session.mount(scheme, Adapter(tls))
    return session


_of_this_thread = threading.local()

Connect: TypeAlias = Callable[[str, int], socket.socket]
"""Host and port -> a connection; for who does not want just any address of a name."""


class Watch:
    """Cuts the connection of this thread's exchange when its time is over; `connect` makes it, if one is given."""

    def __init__(self, seconds: float, connect: Connect | None = None) -> None:
        self.connect = connect
        self.expired = False
        self.sent = False
        self._lock = threading.Lock()
        self._guarded: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> Watch:
        _of_this_thread.watch = self
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _of_this_thread.watch = None
        with self._lock:
            self._let_go()

    def guard(self, connected: Any) -> None:
        """Cut this socket when the time is over.

        A second descriptor of it, because TLS takes the first one over, and because that one may be closed and
        its number given to somebody else at any time.
        """
        with self._lock:
            self._let_go()
            self._guarded = socket.socket(fileno=os.dup(connected.fileno()))
            if self.expired:
                self._cut()

    def _expire(self) -> None:
        with self._lock:
            self.expired = True
            self._cut()

    def _cut(self) -> None:
        if self._guarded is not None:
            try:
                self._guarded.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # the other side was faster

    def _let_go(self) -> None:
        if self._guarded is not None:
            self._guarded.close()
            self._guarded = None


class Watched:
    """What both kinds of connections have in common."""

    sock: Any

    def _new_conn(self) -> Any:
        watch: Watch = _of_this_thread.watch
        if watch.connect is None or getattr(self, "proxy", None) is not None:
            connected = super()._new_conn()  # type: ignore[misc]
        else:
            connected = watch.connect(self.host, self.port)  # type: ignore[attr-defined]
        watch.guard(connected)
        return connected

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]
        watch: Watch = _of_this_thread.watch
        watch.guard(self.sock)
        watch.sent = True
        super().request(*args, **kwargs)  # type: ignore[misc]


class _HttpConnection(Watched, HTTPConnection):
    pass


class _HttpsConnection(Watched, HTTPSConnection):
    pass


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class Adapter(HTTPAdapter):
    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> Any:
        super().init_poolmanager(*args, ssl_context=self._tls, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, ssl_context=self._tls, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """The context knows whom to trust; the library would add its own authorities for each connection again."""
        conn.cert_reqs = "CERT_REQUIRED"


def proxies_for(url: str) -> dict[str, str]:
    """The proxies of the environment on the way to an address."""
    # A proxy of the company cannot reach this machine's own ports.
    return {} if on_loopback(urlsplit(url).hostname or "") else requests.utils.get_environ_proxies(url)


def _beginning(response: requests.Response, limit: int) -> tuple[bytes, bool]:
    """The status says it all; a body that breaks off or drips until the time is over changes nothing about that."""
    received = b""
    try:
        # One byte more tells whether there is more.
        while len(received) <= limit and (
            chunk := response.raw.read1(limit + 1 - len(received), decode_content=False)
        ):
            received += chunk
    except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError):
        return received[:limit], False
    return received[:limit], len(received) <= limit


def place_of(url: str) -> str:
    """Host and port only: the path of an address, too, may be what keeps strangers out."""
    parts = urlsplit(url)
    return f"{parts.hostname}{f':{parts.port}' if parts.port else ''}"


def reason_of(error: Exception) -> str:
    """Why there is no answer. The libraries' own texts hold the whole address, so they are not used."""
    causes = list(causes_of(error))
    for cause in causes:
        match cause:
            case ssl.SSLCertVerificationError():
                return f"its certificate is not trusted ({cause.verify_message.rstrip('.')})"
            case ssl.SSLError():
                return f"no TLS connection ({cause.reason or 'it broke off'})"
            case urllib3.exceptions.NameResolutionError() | socket.gaierror():
                return "its name is not known"
            case urllib3.exceptions.ProxyError():
                return "the proxy on the way does not let us through"
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
            return f"no connection ({os.strerror(cause.errno)})"
    if isinstance(error, requests.exceptions.InvalidURL | UnicodeError):
        return "the address cannot be used"
    return "the connection breaks off"


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was made from; the libraries put that into their arguments."""
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]
