"""`python -m sandbox identity|platform|erp`: the services beside the sender; each has options of its own."""

from __future__ import annotations

import runpy
import sys

import typer

#: Options are read by the service itself.
AS_GIVEN = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def identity(context: typer.Context) -> None:
    """Run the identity provider."""
    _run("sandbox.identity", context)


def platform(context: typer.Context) -> None:
    """Run the API of the platform: login, documents, polling."""
    _run("sandbox.platform", context)


def erp(context: typer.Context) -> None:
    """Run a small ERP that takes events."""
    _run("sandbox.erp", context)


def _run(module: str, context: typer.Context) -> None:
    sys.argv = [module, *context.args]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
