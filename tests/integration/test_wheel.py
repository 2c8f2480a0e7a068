"""What is installed: an application for an environment of its own, with nothing in it that is not meant to be."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.acceptance.running import ROOT


def test_wheel_holds_the_packages_the_contracts_and_the_examples_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {
        "generated",
        "handlers",
        "service",
        "specs",
        "tradecloud_webhooks-0.1.0.dist-info",
    }
    assert {
        "generated/openapi/order-webhook.yaml",
        "specs/service/health.yaml",
        "specs/examples/shipment-issued.json",
        "specs/tradecloud-addresses.yaml",
        "service/inbox/migrations/versions/0001_inbox.py",
        "service/inbox/migrations/versions/0002_ledger.py",
        "service/inbox/migrations/script.py.mako",
    } <= set(names)
