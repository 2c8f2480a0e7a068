"""Stock connexion for comparison: the same contract, and a handler that keeps nothing.

Run by uvicorn, as connexion's documentation has it.
"""

from __future__ import annotations

import hmac
import warnings
from importlib import resources
from typing import Any

import yaml

from bench.credentials import PASSWORD, USER

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # connexion imports Starlette's test client, which warns
    from connexion.apps.asynchronous import AsyncApp
    from connexion.options import SwaggerUIOptions
    from connexion.resolver import Resolver


def check_basic(username: str, password: str) -> dict[str, str] | None:
    """Know the one user there is."""
    same = hmac.compare_digest(f"{username}:{password}".encode(), f"{USER}:{PASSWORD}".encode())
    return {"sub": username} if same else None


def check_bearer(token: str) -> dict[str, str] | None:
    """Know nobody: the contract has this scheme too, the benchmark does not use it."""
    return None


async def receive_order_event() -> tuple[None, int, dict[str, str]]:
    """Say 202 and do nothing.

    It takes no `body`, which spares connexion parsing the body a second time. It names a media type because
    the contract has answers of two, and connexion answers 500 if nobody chooses.
    """
    return None, 202, {"Content-Type": "application/json"}


def _contract() -> dict[str, Any]:
    """The served contract; added is only how connexion is told which functions know the credentials."""
    text = resources.files("generated").joinpath("openapi", "order-webhook.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    schemes = document["components"]["securitySchemes"]
    schemes["basic"]["x-basicInfoFunc"] = "bench.stock.check_basic"
    schemes["bearer"]["x-bearerInfoFunc"] = "bench.stock.check_bearer"
    return document


app = AsyncApp("bench.stock", swagger_ui_options=SwaggerUIOptions(swagger_ui=False))
app.add_api(_contract(), resolver=Resolver(lambda _operation_id: receive_order_event))
