"""A command line for any POSIX shell that sends a request of a run again.

It is a curl as long as curl can send these bytes; a request that breaks the framing rules goes through
`openssl s_client`, because curl would mend it.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Mapping
from urllib.parse import urlsplit

from conformance.report.commands import interpreter
from conformance.report.lookup import NoResultError, Record, judged, result_of
from conformance.report.records import RunReader

_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):( ?[^\x00-\x1f\x7f]*)")
_METHOD = re.compile(r"[A-Z]{3,}")
_PLACEHOLDER = re.compile(r"\[([^\[\]\r\n]{1,80})\]")
#: What the redactor writes for good credentials, and where they are.
_PAIRS = {
    "basic credentials": "user name and password of `basic` in the profile, in base64",
    "other basic credentials": "those of `not_allowed` in the profile, in base64",
}
_TOKENS = {"token": "the token of `bearer` in the profile", "other token": "that of `not_allowed` in the profile"}
_OF_CURL_ITSELF = ("User-Agent", "Accept", "Content-Type", "Expect")
#: A text of more bytes comes over standard input: one argument of a command has its limit, and a reader too.
_INLINE = 16_000


def curl(run: RunReader, result_id: str) -> str:
    """The command for the judged request of a result (or of a case: its first that did not pass).

    A redacted Authorization needs the variable TC_AUTH, a second one TC_AUTH_2: comments before the command say
    what they are, and the shell says so where one is not set.

    Raises:
        NoResultError: there is no such result, or nothing was sent in it.
    """
    about, record = run.one("run") or {}, result_of(run, result_id)
    command = command_of(run, about, record)
    if command is None:
        raise NoResultError(f"nothing was sent for {result_id}: it is about something else than a request")
    return "\n".join([*notes_of(about, record, interpreter()), command])


def notes_of(about: Record, record: Record, python: str) -> list[str]:
    """Comments of a shell that say what the command of a result needs; no secret is in them."""
    exchange = judged(record)
    if exchange is None:
        return []
    notes = []
    if about.get("ca_file") and not exchange["request"]["plain"]:
        notes.append(f"in the folder of {about['ca_file']}")
    again = f"{python} -m conformance run {shlex.quote(about.get('target', 'URL'))} --profile FILE"
    for shown, variable in _variables(exchange["request"]["head"]).items():
        if shown in _PAIRS:
            notes.append(f"{variable}: {_PAIRS[shown]}")
            notes.append(f"export {variable}=$(printf %s 'USER:PASSWORD' | base64 | tr -d '\\n')")
        elif shown in _TOKENS:
            notes += [f"{variable}: {_TOKENS[shown]}", f"export {variable}='TOKEN'"]
        else:
            made = "a fresh access token" if shown == "access token" else shown
            notes.append(f"{variable}: {made}, which only a run of the case makes:")
            notes.append(f"{again} --only {record['case']}")
    return [f"# {''.join(char if char.isprintable() else '?' for char in note)}" for note in notes]


def _variables(head: str) -> dict[str, str]:
    """The redacted credentials of a head, each with the variable of the shell that stands for it."""
    found: dict[str, str] = {}
    for line in head.split("\r\n"):
        mark = _PLACEHOLDER.search(line) if line.lower().startswith("authorization") else None
        if mark is not None and mark[1] not in found:
            found[mark[1]] = "TC_AUTH" if not found else f"TC_AUTH_{len(found) + 1}"
    return found


def command_of(run: RunReader, about: Record, record: Record) -> str | None:
    """The same of a result at hand; `about` is the run's first line. None if nothing was sent."""
    exchange = judged(record)
    if exchange is None:
        return None
    request = exchange["request"]
    body = run.body(request["body"])
    address = urlsplit(about.get("target", "https://localhost"))
    lines = str(request["head"]).split("\r\n")[:-2]
    tame = _for_curl(lines, request, body)
    if tame is None:
        return _by_bytes(lines, body, address.hostname or "localhost", address.port, request, about)
    scheme = "http" if request["plain"] else address.scheme
    url = f"{scheme}://{address.netloc}"
    return _by_curl(url, address.netloc, request, *tame, about)


def _for_curl(lines: list[str], request: Record, body: bytes) -> tuple[list[tuple[str, str]], bytes] | None:
    """Fields and unframed body, if curl sends them as they are."""
    found = [_FIELD.fullmatch(line) for line in lines[1:]]
    names = [field[1].lower() if field else "" for field in found]
    legal = all(names) and "\\x" not in request["head"] and _METHOD.fullmatch(request["method"])
    once = all(names.count(name) <= 1 for name in ("content-length", "transfer-encoding", "content-type", "expect"))
    if not legal or not once or names.count("host") != 1 or request["method"] in ("HEAD", "CONNECT"):
        return None
    fields = [(field[1], field[2]) for field in found if field]
    values = {name.lower(): value.strip() for name, value in fields}
    if "transfer-encoding" in values:
        content = _unchunked(body)
        if content is None or values["transfer-encoding"] != "chunked" or "content-length" in values:
            return None
        return fields, content
    if values.get("content-length", "0") != str(len(body)):
        return None
    return [pair for pair in fields if pair[0].lower() != "content-length"], body


def _by_curl(
    url: str, authority: str, request: Record, fields: list[tuple[str, str]], body: bytes, about: Record
) -> str:
    target = request["target"]
    words = [f"curl -sS -i -g --http1.1 --path-as-is -X {request['method']}"]
    if about.get("ca_file"):
        words.append(f"--cacert {shlex.quote(about['ca_file'])}")
    variables = _variables(request["head"])
    words += [
        _option(name, value, variables)
        for name, value in fields
        if (name.lower(), value.strip()) != ("host", authority)
    ]
    present = {name.lower() for name, _ in fields}
    words += [f"-H '{name}:'" for name in _OF_CURL_ITSELF if name.lower() not in present]
    before = ""
    if len(body) <= _INLINE and (text := _printable(body)) is not None:
        if text or "transfer-encoding" in present or re.search(r"(?im)^content-length:", request["head"]):
            words.append(f"--data-raw {shlex.quote(text)}")
    else:
        before = f"printf '%s' '{base64.b64encode(body).decode()}' | base64 -d |\n"
        words.append("--data-binary @-")
    if target.startswith("/") and "#" not in target and not re.search(r"[\s\x00-\x20\x7f-\uffff]", target):
        words.append(shlex.quote(url + target))
    else:
        words.append(f"--request-target {shlex.quote(target)} {shlex.quote(url)}")
    return before + " \\\n  ".join(words)


def _by_bytes(lines: list[str], body: bytes, host: str, port: int | None, request: Record, about: Record) -> str:
    steps = [_printf(line, _variables(request["head"])) for line in [*lines, ""]]
    if body:
        steps.append(f"printf '%s' '{base64.b64encode(body).decode()}' | base64 -d")
    if request["plain"]:
        sender = f"nc {host} {port or 80}"
    else:
        trust = f" -CAfile {shlex.quote(about['ca_file'])}" if about.get("ca_file") else ""
        sender = f"openssl s_client -quiet{trust} -servername {host} -connect {host}:{port or 443}"
    return "{ " + "\n  ".join(steps) + "\n} | " + sender


def _option(name: str, value: str, variables: Mapping[str, str]) -> str:
    if not value.strip():
        return f"-H '{name};'"  # curl's way to write a field without a value; `Name:` would leave it out
    if name.lower() != "authorization":
        return f"-H {shlex.quote(f'{name}:{value}')}"
    found = _PLACEHOLDER.search(value)
    if found is None:
        return f"-H {shlex.quote(f'{name}:{value}')}"
    before, after = value[: found.start()], value[found.end() :]
    return (
        f"-H {shlex.quote(f'{name}:{before}')}{_variable(found[1], variables)}{shlex.quote(after) if after else ''}"
    )


def _printf(line: str, variables: Mapping[str, str]) -> str:
    """A printf of one line of a head, whatever bytes are in it."""
    found = _PLACEHOLDER.search(line) if line.lower().startswith("authorization") else None
    if found is None:
        return f"printf '{_escaped(line)}\\r\\n'"
    before, after = _escaped(line[: found.start()]), _escaped(line[found.end() :])
    return f"printf '{before}%s{after}\\r\\n' {_variable(found[1], variables)}"


def _variable(shown: str, variables: Mapping[str, str]) -> str:
    return f'"${{{variables[shown]}:?' + f"set it to: {re.sub(r'[^0-9A-Za-z ,.-]', '', shown)}" + '}"'


def _escaped(text: str) -> str:
    special = {"%": "%%", "\\": "\\\\", "'": "\\047"}
    return "".join(
        special.get(chr(byte), chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}") for byte in head_bytes(text)
    )


def head_bytes(head: str) -> bytes:
    """The bytes of a head as it went out: the run keeps bytes that are not UTF-8 as `\\xNN`."""
    pieces = re.split(r"\\x([89a-f][0-9a-f])", head)
    return b"".join(bytes.fromhex(piece) if n % 2 else piece.encode() for n, piece in enumerate(pieces))


def _printable(body: bytes) -> str | None:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return None if re.search(r"[\x00-\x08\x0b-\x1f\x7f\ufeff]", text) else text


def _unchunked(body: bytes) -> bytes | None:
    """The content of a chunked body without extensions and trailers; None if it is not just that."""
    content = b""
    while found := re.match(rb"([0-9a-fA-F]{1,8})\r\n", body):
        size, start = int(found[1], 16), found.end()
        if body[start + size : start + size + 2] != b"\r\n":
            return None
        if not size:
            return content if len(body) == start + 2 else None
        content += body[start : start + size]
        body = body[start + size + 2 :]
    return None
