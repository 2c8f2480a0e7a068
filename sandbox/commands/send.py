"""`python -m sandbox send`: play a scenario against a receiver."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from sandbox import truth
from sandbox.commands.calling import python
from sandbox.commands.credentials import Wanted, of_orders, of_shipments
from sandbox.commands.interrupts import ended_in_order
from sandbox.commands.platform import content_of, fill
from sandbox.commands.progress import Bar
from sandbox.commands.steps import steps_of
from sandbox.delivery import target
from sandbox.delivery.plan import plan
from sandbox.delivery.sending import Destination, Sender
from sandbox.errors import SandboxError
from sandbox.scenarios import reading
from sandbox.story.event import Webhook
from sandbox.wire import json_text

FOLDER = Path("sandbox-run")
SUMMARY = "summary.json"

FolderOption = Annotated[Path, typer.Option(help="Folder for the truth and the summary of the run.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for programs.")]


def send(
    scenario: Annotated[
        str, typer.Argument(help="Name of a scenario of the sandbox, or a file.", metavar="SCENARIO")
    ],
    url: Annotated[str, typer.Option(help="Base URL of the receiver: https://localhost:8443.")],
    order_path: Annotated[str, typer.Option(help="Path of the order webhook.")] = "/webhooks/tradecloud/order",
    documents_path: Annotated[
        str | None, typer.Option(help="Path of the order documents webhook; as --order-path.", show_default=False)
    ] = None,
    shipment_path: Annotated[
        str, typer.Option(help="Path of the shipment webhook.")
    ] = "/webhooks/tradecloud/shipment",
    user: Annotated[str | None, typer.Option(help="Basic; the password is in SANDBOX_PASSWORD.")] = None,
    bearer: Annotated[bool, typer.Option("--bearer", help="Bearer; the token is in SANDBOX_TOKEN.")] = False,
    token_url: Annotated[
        str | None, typer.Option(help="OAuth 2.0 token endpoint; the secret is in SANDBOX_CLIENT_SECRET.")
    ] = None,
    client_id: Annotated[str | None, typer.Option(help="OAuth 2.0 client.")] = None,
    scope: Annotated[str | None, typer.Option(help="OAuth 2.0 scope: https://host/.default.")] = None,
    token_ca_file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Its certificate authority.", show_default="--ca-file"),
    ] = None,
    shipment_user: Annotated[
        str | None, typer.Option(help="Basic for shipments alone; SANDBOX_SHIPMENT_PASSWORD.")
    ] = None,
    shipment_bearer: Annotated[
        bool, typer.Option("--shipment-bearer", help="Bearer for shipments alone; SANDBOX_SHIPMENT_TOKEN.")
    ] = False,
    ca_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Certificate authority of the receiver.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the scenario's.")] = None,
    orders: Annotated[int | None, typer.Option(min=1, help="Instead of the scenario's.")] = None,
    speed: Annotated[float | None, typer.Option(min=0.001, help="Instead of the scenario's.")] = None,
    future: Annotated[
        bool, typer.Option("--future", help="With members, values and events of the future.")
    ] = False,
    control: Annotated[str | None, typer.Option(help="Base URL of the control port, for steps.")] = None,
    platform: Annotated[
        str | None,
        typer.Option(help="Control port of the platform's stand-in, which is filled first."),
    ] = None,
    folder: FolderOption = FOLDER,
    as_json: JsonOption = False,
    i_own_the_target: Annotated[
        str | None, typer.Option(help="Name of another machine that may get these events.", metavar="NAME")
    ] = None,
) -> None:
    """Tell the stories of a scenario to a receiver, as Tradecloud delivers.

    Ends with 0 if nothing was dropped, with 1 if something was, with 130 after Ctrl+C.
    """
    base = target.checked(url, i_own_the_target)
    order_url = base + target.checked_path("--order-path", order_path)
    documents_url = base + target.checked_path("--documents-path", documents_path or order_path)
    shipment_url = base + target.checked_path("--shipment-path", shipment_path)
    # The stories go to the platform's stand-in, too.
    platform = platform and target.checked(platform, i_own_the_target, "--platform")
    control = control and target.checked(control, i_own_the_target, "--control")
    wanted = reading.read(scenario)
    if seed is not None:
        wanted = wanted.model_copy(update={"seed": seed})
    if orders is not None:
        wanted = wanted.model_copy(update={"orders": orders})
    if speed is not None:
        wanted = wanted.model_copy(update={"delivery": wanted.delivery.model_copy(update={"speed": speed})})
    if future:
        wanted = wanted.model_copy(update={"future": True})
    credentials = of_orders(Wanted(user, bearer, token_url, client_id, scope, token_ca_file or ca_file))
    stories = wanted.told() if platform is None else wanted.told(content_of(platform))
    planned = plan(stories, wanted.disorder_wanted, wanted.seed)
    destinations = {
        Webhook.ORDER: Destination(order_url, credentials),
        Webhook.DOCUMENTS: Destination(documents_url, credentials),
    }
    if any(one.event.webhook is Webhook.SHIPMENT for one in planned):
        own = of_shipments(Wanted(shipment_user, shipment_bearer), credentials)
        destinations[Webhook.SHIPMENT] = Destination(shipment_url, own)
    steps = steps_of(wanted.steps, len(planned), control)
    if platform is not None:
        fill(platform, stories)
    truth.write(folder, stories)
    with Bar(len(planned)) as bar, ended_in_order():
        summary = Sender(
            planned,
            destinations,
            wanted.policy,
            parallel=wanted.delivery.parallel,
            pace=wanted.delivery.pace,
            steps=steps,
            ca_file=ca_file,
            progress=bar.show,
        ).run()
    (folder / SUMMARY).write_text(json_text.write(summary.as_json()) + "\n", encoding="utf-8")
    typer.echo(json_text.write(summary.as_json()) if as_json else summary.as_text())
    if not as_json and not summary.interrupted:
        typer.echo(f"\nCompare later: {python()} -m sandbox compare {folder}")
    if summary.interrupted:
        raise typer.Exit(128 + signal.SIGINT)
    if summary.dropped:
        raise typer.Exit(1)


def scenarios(
    name: Annotated[str | None, typer.Argument(help="Print this one, to be copied.", show_default=False)] = None,
) -> None:
    """List the scenarios of the sandbox, or print one."""
    if name is not None:
        if name not in reading.shipped():
            raise SandboxError(f"no scenario is called {name}; there are {', '.join(reading.shipped())}")
        typer.echo(reading.text_of(name), nl=False)
        return
    width = max(map(len, reading.shipped()))
    for each in reading.shipped():
        found = reading.read(each)
        typer.echo(f"{each:<{width}}  {found.orders:>4} orders  {found.title}")
