"""`python -m sandbox identity|platform|erp`: the services beside the sender; each has options of its own."""

from __future__ import annotations

import sys
from importlib import import_module

import typer

#: Options are read by the service itself.
AS_GIVEN = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def identity(context: typer.Context) -> None:
    """Run the identity provider."""
    _run("sandbox.identity.__main__", context)


def platform(context: typer.Context) -> None:
    """Run the API of the platform: login, documents, polling."""
    _run("sandbox.platform.__main__", context)


def erp(context: typer.Context) -> None:
    """Run a small ERP that takes events."""
    _run("sandbox.erp", context)


def _run(module: str, context: typer.Context) -> None:
    sys.argv = [module, *context.args]
    # Imported, not run as a main module: one that is imported already would be there twice.
    sys.exit(import_module(module).main())
