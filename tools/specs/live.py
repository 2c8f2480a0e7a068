"""Fetches the live Swagger files."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

from tools.generate import upstream

ACCEPTANCE = "https://api.accp.tradecloud1.com"
PRODUCTION = "https://api.tradecloud1.com"

#: Seconds for the connection and for each wait for more.
_TIMEOUT = (10.0, 30.0)
#: Seconds for a whole file, so that one that trickles comes to an end.
_DEADLINE = 120.0
_MAX_REDIRECTS = 5


class FetchError(Exception):
    """A live file could not be had; the text says which and why, in one line."""


@dataclass(frozen=True, slots=True)
class LiveFile:
    """One file as it is published now."""

    url: str
    content: bytes
    document: upstream.Json
    """The content, read as a Swagger 2.0 document."""


def url_of(base: str, contract: str) -> str:
    """Where the file of a contract (such as `order-webhook`) is published below a base URL."""
    return f"{base.rstrip('/')}/v2/{contract}-connector/specs.yaml"


def fetch(url: str, ca_file: str | None = None) -> LiveFile:
    """The file at `url`, checked to be a Swagger 2.0 document. `ca_file` names authorities to trust instead of the
    usual ones.

    Raises:
        FetchError: no connection, another status than 200, too long, broken off, or no Swagger 2.0 file.
    """
    try:
        content = _content(url, ca_file)
        return LiveFile(url, content, upstream.read(content))
    except requests.exceptions.Timeout as error:
        raise FetchError(f"{url}: no answer in time") from error
    except requests.exceptions.SSLError as error:
        raise FetchError(f"{url}: the certificate cannot be trusted ({_reason(error)})") from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise FetchError(f"{url}: broke off ({_reason(error)})") from error
    except requests.exceptions.TooManyRedirects as error:
        raise FetchError(f"{url}: redirected more than {_MAX_REDIRECTS} times") from error
    except requests.exceptions.ConnectionError as error:
        raise FetchError(f"{url}: cannot be reached ({_reason(error)})") from error
    except requests.exceptions.RequestException as error:
        raise FetchError(f"{url}: {_reason(error)}") from error
    except upstream.SwaggerFileError as error:
        raise FetchError(f"{url}: {error}") from error
    except OSError as error:  # requests: a CA file that is not there
        raise FetchError(f"{url}: {_reason(error)}") from error


def _content(url: str, ca_file: str | None) -> bytes:
    deadline = time.monotonic() + _DEADLINE
    with requests.Session() as session:
        session.max_redirects = _MAX_REDIRECTS
        with session.get(
            url, timeout=_TIMEOUT, stream=True, verify=ca_file or True, headers={"Accept": "*/*"}
        ) as response:
            if urlsplit(url).scheme == "https" and urlsplit(response.url).scheme != "https":
                raise FetchError(f"{url}: redirected to {response.url}, which is not encrypted")
            if response.status_code != requests.codes.ok:
                raise FetchError(f"{url}: answered {response.status_code} {response.reason}".rstrip())
            content = b""
            for piece in response.iter_content(64 * 1024):
                content += piece
                if len(content) > upstream.MAX_BYTES:
                    raise FetchError(f"{url}: longer than {upstream.MAX_BYTES} bytes")
                if time.monotonic() > deadline:
                    raise FetchError(f"{url}: not complete after {_DEADLINE:.0f} seconds")
            return content


def _reason(error: Exception) -> str:
    """The innermost reason, without the library's frames around it."""
    inner: BaseException = error
    while True:
        cause = getattr(inner, "reason", None) or next(
            (one for one in inner.args if isinstance(one, BaseException)), None
        )
        if not isinstance(cause, BaseException):
            break
        inner = cause
    text = re.sub(r"^(.*object at 0x[0-9a-f]+[^:]*|HTTPS?Connection(Pool)?\([^)]*\)): ", "", str(inner))
    return " ".join(text.split())
