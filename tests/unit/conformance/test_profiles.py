"""The profiles of our own service: one for each way to answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from conformance.catalogue import catalogue

PROFILES = Path(__file__).parents[3] / "conformance" / "profiles"


def profile(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((PROFILES / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


def test_what_the_two_ways_to_answer_claim_differs_in_the_queue_alone() -> None:
    queued, inline = profile("reference"), profile("reference-inline")
    assert queued.keys() == inline.keys()
    differing = {name for name in queued if queued[name] != inline[name]}
    # Names and places; an ERP that was away is waited for only where the answer does not tell.
    assert differing == {"name", "claims", "ca_file", "observer", "second_url", "issuer", "canary"}
    claims = {name for name in queued["claims"] if queued["claims"][name] != inline["claims"][name]}
    assert claims == {"durable_queue"}
    assert queued["claims"]["durable_queue"]
    assert {**queued["observer"], "seconds": 0} == {**inline["observer"], "seconds": 0}


def test_nothing_is_out_of_reach_in_either() -> None:
    needed = {one for info in catalogue().values() for one in info.needs}
    for found in (profile("reference"), profile("reference-inline")):
        assert "expected_blocked" not in found
        hooks = {*found["states"], *found["actions"], *found}
        assert {one.partition(".")[0] for one in needed} - {"not_allowed"} <= hooks
        assert all("not_allowed" in operation for operation in found["operations"].values())
        assert found["observer"]["mirror"]
