"""A network for a process that has this folder in PYTHONPATH: what names mean, and where addresses lead.

Python imports this at its start. Only what the operating system does is replaced: looking names up, and on which
way an address is reached. NETWORK names a file with both, read each time; beside it is written what was looked up
and connected to.

    {"names": {"drawings.example": [["192.0.2.1"], ["127.0.0.1"]]}, "routes": {"192.0.2.1": "127.0.0.2"}}

A name that is looked up gets the next of its answers; the last one stays. Names that are not there mean what they
do everywhere.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

_file = Path(os.environ["NETWORK"])
_lock = threading.Lock()
_asked: dict[str, int] = {}
_look_up = socket.getaddrinfo
_connect = socket.socket.connect


def _getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
    with _lock:
        answers = json.loads(_file.read_text())["names"].get(host)
        if answers is None:
            return _look_up(host, port, *args, **kwargs)
        turn = _asked[host] = _asked.get(host, -1) + 1
        found = answers[min(turn, len(answers) - 1)]
        _note(f"{host} is {' '.join(found)}")
    return [entry for address in found for entry in _look_up(address, port, *args, **kwargs)]


def _connected(connection: socket.socket, address: Any) -> None:
    if isinstance(address, tuple) and isinstance(address[0], str):
        with _lock:
            _note(f"connect {address[0]}")
            route = json.loads(_file.read_text())["routes"].get(address[0])
        if route is not None:
            address = (route, *address[1:])
    _connect(connection, address)


def _note(line: str) -> None:
    with _file.with_suffix(".log").open("a") as log:
        log.write(line + "\n")


socket.getaddrinfo = _getaddrinfo
socket.socket.connect = _connected  # type: ignore[method-assign,assignment]  # that is the point
