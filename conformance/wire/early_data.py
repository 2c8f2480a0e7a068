"""A POST in TLS 1.3 early data (RFC 8446, section 2.3), which whoever recorded it can send again (RFC 8470).

Python's ssl cannot send early data; the command `openssl s_client` can.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from conformance.wire.address import Address
from conformance.wire.answer import Fact
from conformance.wire.hello import CannotOfferError

SECONDS = 8.0


def try_early_data(address: Address, path: str) -> Fact:
    """What a POST without credentials in early data came to.

    `not-offered`: the server invites nobody to send early data. `rejected`: it threw it away. `too-early`: answered
    425. `processed`: answered as if it had come in the usual way; `no-answer`: taken, and not answered.

    Raises:
        CannotOfferError: this machine has no `openssl`.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        raise CannotOfferError("the command `openssl` is not there, and nothing else can send early data")
    common = [openssl, "s_client", "-connect", f"{address.host}:{address.port}", "-tls1_3", "-ign_eof"]
    common += ["-servername", address.host]
    head = f"{address.base_path}{path} HTTP/1.1\r\nHost: {address.authority}\r\nConnection: close\r\n"
    with TemporaryDirectory() as folder:
        session, early = Path(folder) / "session", Path(folder) / "early"
        # A ticket comes with or after the first answer, so a whole exchange is waited for.
        said = _run([*common, "-sess_out", str(session)], f"GET {head}\r\n".encode())
        if not session.exists():
            return Fact("not-offered", "the server gave no ticket to resume with")
        invited = [int(count) for count in re.findall(r"Max Early Data: (\d+)", said)]
        if not any(invited):
            return Fact("not-offered", "the server's tickets allow no early data")
        early.write_bytes(f"POST {head}Content-Length: 0\r\n\r\n".encode())
        said = _run([*common, "-sess_in", str(session), "-early_data", str(early)], b"")
    if "Early data was accepted" not in said:
        return Fact("rejected", "the server threw the early data away")
    status = re.search(r"^HTTP/1\.1 (\d{3})", said, re.MULTILINE)
    if status is None:
        return Fact("no-answer", "the server took the early data and did not answer")
    if status[1] == "425":
        return Fact("too-early", "answered 425 (Too Early)")
    return Fact("processed", f"answered {status[1]} to what anybody could have sent again")


def _run(command: list[str], standard_input: bytes) -> str:
    try:
        done = subprocess.run(command, input=standard_input, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        return (error.stdout or b"").decode("latin-1")
    return done.stdout.decode("latin-1")
