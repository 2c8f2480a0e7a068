"""connexion as far as we use it: the contracts route requests, by operationId, to functions.

Kept of connexion: specification, routing, security, lifespan. Its body, validation and context stages are
replaced by one precompiled stage for each operation (`OperationStage`), because they parse twice with binary
floats, skip validation for some spellings of the media type and answer 500 to several bad bodies.
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

with warnings.catch_warnings():
    # connexion imports Starlette's test client, which warns about a library that we do not use.
    warnings.simplefilter("ignore")
    from connexion.middleware.main import ConnexionMiddleware
from connexion.exceptions import ResolverError
from connexion.lifecycle import ConnexionRequest
from connexion.middleware.abstract import ROUTING_CONTEXT, RoutedAPI, RoutedMiddleware
from connexion.middleware.lifespan import Lifespan, LifespanMiddleware
from connexion.middleware.routing import RoutingMiddleware
from connexion.middleware.security import SecurityMiddleware
from connexion.operations.abstract import AbstractOperation
from connexion.resolver import Resolver
from connexion.security import AbstractSecurityHandler
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from handlers.interface import KeysUnavailableError, NotAllowedError, NotAuthenticatedError
from service.contract import Contract

Operation = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Says who the sender is, from all Authorization headers and the operation id; raises NotAuthenticatedError,
#: NotAllowedError or KeysUnavailableError.
Identify = Callable[[Sequence[bytes], str], Awaitable[str]]

_CREDENTIAL = "tradecloud_webhooks.credential"


class ContractMismatchError(Exception):
    """The contracts and the functions do not belong together; the text names what is missing."""


def assemble(
    contracts: Sequence[Contract],
    operations: Mapping[str, Operation],
    identify: Identify,
    lifespan: Lifespan,
) -> ASGIApp:
    """The routed application.

    Raises:
        ContractMismatchError: an operation of a contract has no function, or a function has no operation.
    """
    wanted = {operation_id for contract in contracts for operation_id, _ in contract.operations()}
    if missing := sorted(wanted - operations.keys()):
        raise ContractMismatchError(f"no function for the operation {', '.join(missing)} of the contract")
    if unknown := sorted(operations.keys() - wanted):
        raise ContractMismatchError(f"no operation {', '.join(unknown)} in the contracts for that function")

    def function_of(operation_id: str) -> Operation:
        try:
            return operations[operation_id]
        except KeyError:
            raise ResolverError(f"no function for the operation {operation_id}") from None

    handler = partial(_AuthorizationHandler, identify)
    stages: Any = [_StrictRouting, SecurityMiddleware, LifespanMiddleware, OperationStage]
    app = ConnexionMiddleware(
        _not_found,
        middlewares=stages,
        lifespan=lifespan,
        resolver=Resolver(function_of),
        security_map={"basic": handler, "bearer": handler},
    )
    for contract in contracts:
        app.add_api(contract.document)
    # Built now and not at the first request: what does not fit must stop the start.
    app.app, app.middleware_stack = app._build_middleware_stack()
    return app


def credential_of(scope: Scope) -> str:
    """The name of the credential that the security stage found."""
    name: str = scope["extensions"][_CREDENTIAL]
    return name


class _StrictRouting(RoutingMiddleware):
    """connexion's routing with two things put right.

    No redirect from `/path/` to `/path`: no one knows what Tradecloud does with a 307. And of several contracts
    with the same base path all are found: connexion chains each new one to every earlier one, so that of three
    the second falls out of the chain.
    """

    def add_api(self, *args: Any, **kwargs: Any) -> None:
        super().add_api(*args, **kwargs)
        self.router.redirect_slashes = False
        mounted = [route.app for route in self.router.routes if isinstance(route, Mount)]
        routers = [app for app in mounted if isinstance(app, Router)]
        for router in routers:
            router.redirect_slashes = False
        for router, following in pairwise(routers):
            router.default = following


class _AuthorizationHandler(AbstractSecurityHandler):
    """Gives connexion's security stage our reading of the Authorization header, for either scheme."""

    def __init__(self, identify: Identify) -> None:
        self._identify = identify

    def get_fn(self, security_scheme: Any, required_scopes: Any) -> Callable[[ConnexionRequest], Any]:
        return self._check

    async def _check(self, request: ConnexionRequest) -> Any:
        scope = request.scope
        authorization = [value for key, value in scope["headers"] if key == b"authorization"]
        # connexion asks once for each scheme that the contract allows; our reading covers them all, so the
        # first answer stands.
        known = scope["extensions"].get(_CREDENTIAL)
        if known is None:
            operation_id = scope["extensions"][ROUTING_CONTEXT]["operation_id"]
            try:
                known = await self._identify(authorization, operation_id)
            except (NotAuthenticatedError, NotAllowedError, KeysUnavailableError) as error:
                known = error
            scope["extensions"][_CREDENTIAL] = known
        if isinstance(known, Exception):
            raise known
        return {"sub": known}


class _OperationAPI(RoutedAPI[Operation]):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.add_paths()

    def make_operation(self, operation: AbstractOperation) -> Operation:
        function: Operation = operation.function
        return function


class OperationStage(RoutedMiddleware[_OperationAPI]):
    """The last stage: calls the function that the contract's operation resolved to."""

    api_cls = _OperationAPI


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        raise HTTPException(404)
