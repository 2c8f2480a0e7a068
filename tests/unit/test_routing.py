"""Contracts and functions belong together, or nothing starts."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import yaml
from openapi_spec_validator import validate
from starlette.types import Receive, Scope, Send

from service import event_reader
from service.contract import Contract, health_contract, webhook_contracts
from service.routing import ContractMismatchError, assemble
from tools.generate.pipeline import ROOT


async def answer(_scope: Scope, _receive: Receive, _send: Send) -> None: ...


async def identify(_authorization: Sequence[bytes], _operation_id: str) -> str:
    return "anybody"


@contextlib.asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[None]:
    yield


def test_operation_without_a_function_stops_the_start_by_name() -> None:
    operations = {"live": answer}
    with pytest.raises(ContractMismatchError, match="no function for the operation ready"):
        assemble([health_contract()], operations, identify, lifespan)


def test_function_without_an_operation_stops_the_start_by_name() -> None:
    operations = {"live": answer, "ready": answer, "receiveReturnEvent": answer}
    with pytest.raises(ContractMismatchError, match="receiveReturnEvent"):
        assemble([health_contract()], operations, identify, lifespan)


def test_every_webhook_of_the_contracts_has_a_handler_and_the_reverse() -> None:
    in_contracts = {name for contract in webhook_contracts() for name, _ in contract.endpoints()}
    assert in_contracts == event_reader.HANDLERS.keys()


@pytest.mark.parametrize("contract", [*webhook_contracts(), health_contract()])
def test_served_contract_is_valid_openapi_3_0(contract: Contract) -> None:
    assert contract.document["openapi"].startswith("3.0.")
    document: Any = copy.deepcopy(contract.document)
    validate(document)


@pytest.mark.parametrize("name", ["order", "shipment"])
def test_upstream_contract_is_valid_swagger_2_0(name: str) -> None:
    file = ROOT / "specs" / "upstream" / f"{name}-webhook-connector.yaml"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert document["swagger"] == "2.0"
    validate(document)
