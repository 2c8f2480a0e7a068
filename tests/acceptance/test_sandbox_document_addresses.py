"""To which addresses the real service connects for the `url` of a document, whatever names and redirects say.

The service's process has a network of its own (`network/sitecustomize.py`): PUBLIC, an address of the internet,
leads to the sandbox's content server at 127.0.0.2; at 127.0.0.1, on the same port, is what nobody outside may see.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox.platform.platform import Platform
from sandbox.serving import Answer, HttpServer, Request
from tests.acceptance.naming_documents import CONTENT, by_url, kept, send, send_shipment, when_done
from tests.acceptance.running import RunningService

#: Nobody's: of a network where answers to senseless questions come from (RFC 7534).
PUBLIC = "192.31.196.7"


@dataclass
class Network:
    """What the service's process sees."""

    file: Path
    platform: Platform
    private: HttpServer
    asked_inside: list[str] = field(default_factory=list)
    """Paths that the server inside was asked for."""

    def name(self, *answers: list[str]) -> str:
        """A new name with these answers, one for each time it is looked up; the last one stays."""
        name = f"{uuid.uuid4()}.example"
        known = json.loads(self.file.read_text())
        known["names"][name] = answers
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(known))
        new.replace(self.file)
        return name

    def lines(self, name: str) -> list[str]:
        """What was looked up of a name, and connected to, since it was looked up first."""
        lines = self.file.with_suffix(".log").read_text().splitlines()
        first = next(number for number, line in enumerate(lines) if line.startswith(name))
        return [line.removeprefix(f"{name} ") for line in lines[first:]]

    def document(self, name: str, **members: Any) -> dict[str, Any]:
        """One of the content server, under that name."""
        found = by_url(self.platform, **members)
        return found | {"url": found["url"].replace("//127.0.0.2:", f"//{name}:")}


@pytest.fixture(scope="module")
def whole_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    file = tmp_path_factory.mktemp("network") / "network.json"
    file.write_text(json.dumps({"names": {}, "routes": {PUBLIC: "127.0.0.2"}}))
    asked: list[str] = []

    def inside(request: Request) -> Answer:
        asked.append(request.path)
        return Answer(200, b"secrets of this machine")

    for _ in range(20):
        platform = Platform(host="127.0.0.2", basic_seconds=0)
        try:
            private = HttpServer(inside, port=int(platform.content_url.rpartition(":")[2]))
        except OSError:  # somebody has that port at this address
            continue
        with platform, private:
            yield Network(file, platform, private, asked)
        return
    raise AssertionError("no port is free at both addresses")


@pytest.fixture
def network(whole_network: Network) -> Iterator[Network]:
    """Nobody was inside afterwards."""
    yield whole_network
    whole_network.platform.faults.clear()
    assert whole_network.asked_inside == []


@pytest.fixture(scope="module")
def service(whole_network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    extra = "\n[documents]\nenabled = true\nallow_http = true\nretry_first = 0.2\n"
    running = RunningService(tmp_path_factory.mktemp("service"), extra=extra)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NETWORK", str(whole_network.file))
        environment.setenv("PYTHONPATH", str(Path(__file__).with_name("network")))
        running.start()
    yield running
    running.kill()


def test_name_that_is_public_when_checked_and_this_machine_a_moment_later_is_reached_where_it_was_checked(
    service: RunningService, network: Network
) -> None:
    name = network.name([PUBLIC], ["127.0.0.1"])
    (document,) = when_done(service, send(service, network.document(name)))
    assert Path(document["path"]).read_bytes() == CONTENT
    assert network.lines(name) == [f"is {PUBLIC}", f"connect {PUBLIC}"]  # looked up once, and no other address


def test_name_that_means_this_machine_by_now_is_not_reached(service: RunningService, network: Network) -> None:
    name = network.name([PUBLIC], ["127.0.0.1"])
    when_done(service, send(service, network.document(name)))
    before = kept(service)
    (document,) = when_done(service, send(service, network.document(name)))
    assert (document["state"], document["path"]) == ("refused", None)
    assert document["reason"].startswith(f"{name} is at an address that is not public (127.0.0.1)")
    assert kept(service) == before


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "fd00::1", "0.0.0.0"]
)
def test_name_of_a_private_address_is_not_connected_to(
    service: RunningService, network: Network, address: str
) -> None:
    name = network.name([address])
    (document,) = when_done(service, send(service, network.document(name)))
    assert document["state"] == "refused"
    assert f"is at an address that is not public ({address})" in document["reason"]
    assert network.lines(name) == [f"is {address}"]


def test_of_several_addresses_only_the_public_ones_are_connected_to(
    service: RunningService, network: Network
) -> None:
    name = network.name(["127.0.0.1", PUBLIC, "10.0.0.1"])
    (document,) = when_done(service, send(service, network.document(name)))
    assert Path(document["path"]).read_bytes() == CONTENT
    assert network.lines(name)[1:] == [f"connect {PUBLIC}"]


@pytest.mark.parametrize(
    "place",
    ["127.0.0.1:{port}", "[::ffff:127.0.0.1]:{port}", "2130706433:{port}", "{inside}:{port}", "{itself}:{port}"],
)
def test_redirect_from_a_public_to_a_private_address_is_not_followed(
    service: RunningService, network: Network, place: str
) -> None:
    name = network.name([PUBLIC], ["127.0.0.1"])
    where = place.format(port=network.private.port, inside=network.name(["127.0.0.1"]), itself=name)
    network.platform.faults.redirect(f"http://{where}/keys")
    (document,) = when_done(service, send(service, network.document(name)))
    assert (document["state"], document["path"]) == ("refused", None)
    assert "not public" in document["reason"]
    assert [line for line in network.lines(name) if line.startswith("connect")] == [f"connect {PUBLIC}"]
    assert network.platform.state()["to_come"]["downloads"] == 0  # the redirect was given indeed


def test_redirect_from_a_public_to_a_public_address_is_followed(service: RunningService, network: Network) -> None:
    first, second = network.name([PUBLIC]), network.name([PUBLIC])
    document = network.document(second)
    network.platform.faults.redirect(document["url"])
    (fetched,) = when_done(service, send(service, network.document(first, content=b"not this one")))
    assert Path(fetched["path"]).read_bytes() == CONTENT


def test_documents_of_a_shipment_are_not_fetched_from_private_addresses(
    service: RunningService, network: Network
) -> None:
    name = network.name(["127.0.0.1"])
    named = network.document(name)
    found = when_done(service, send_shipment(service, [named], [named]))
    assert [document["state"] for document in found] == ["refused", "refused"]
