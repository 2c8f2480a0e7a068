"""The command line: `python -m conformance`."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from conformance import baseline as baselines
from conformance import preflight
from conformance.catalogue import CaseInfo, catalogue
from conformance.profile import Profile, ProfileError
from conformance.profile import load as load_profile
from conformance.report.lookup import NoResultError
from conformance.report.records import RunReader
from conformance.report.replay import ReplayError
from conformance.runner.transport import CannotTryError
from conformance.wire.address import Address, AddressError

app = typer.Typer(
    name="conformance",
    help="Judges any receiver of Tradecloud's webhooks against the contract.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_USERS_MISTAKES = (
    ProfileError,
    baselines.BaselineError,
    AddressError,
    CannotTryError,
    NoResultError,
    ReplayError,
    OSError,
)

RUNS = Path(".conformance/runs")
FINDINGS = Path(".conformance/findings")
PROFILES = Path(__file__).parent / "profiles"

RunArgument = Annotated[
    str, typer.Argument(help="The folder of a run, or its name below .conformance/runs; `last`.")
]


def main() -> None:
    """Entry point."""
    with _one_line_errors():
        try:
            app()
        except Exception as error:
            if isinstance(error, _USERS_MISTAKES):
                raise
            # Status 1 would say that the receiver failed.
            traceback.print_exc()
            sys.exit(2)


@app.command("run")
def run_command(
    url: Annotated[str, typer.Argument(help="Base URL of the receiver, such as https://localhost:8443.")],
    profile: Annotated[str, typer.Option(help="A YAML file, or the name of one in conformance/profiles.")],
    only: Annotated[
        list[str] | None, typer.Option(help="Ids or beginnings of ids, such as AUTH or MAL-05.")
    ] = None,
    wave: Annotated[list[int] | None, typer.Option(min=1, max=2, help="1 or 2; both unless told.")] = None,
    intrusive: Annotated[bool, typer.Option(help="Also wave 3: expansion of XML, slow senders, bursts.")] = False,
    strict: Annotated[bool, typer.Option(help="A WEAK fails too.")] = False,
    quick: Annotated[bool, typer.Option(help="Wave 1 with fewer repetitions.")] = False,
    generated: Annotated[float, typer.Option(help="Seconds for the generated phase; 0 leaves it out.")] = 0.0,
    fresh_seed: Annotated[bool, typer.Option(help="Other generated bodies than last time.")] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The generated bodies of an earlier run with --fresh-seed.")
    ] = None,
    shuffle: Annotated[int | None, typer.Option(help="Cases in an order that this number determines.")] = None,
    pace: Annotated[float | None, typer.Option(help="Requests per second; 5 unless on this machine.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="Accepted findings: case, variant, reason, until.")] = None,
    i_own_the_target: Annotated[
        str | None, typer.Option(help="The host name of a receiver elsewhere, given by its owner.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the reports go.")] = None,
) -> None:
    """Judge a receiver. Exit status: 0 conformant, 1 failures, 2 a fault of the suite, 3 something could not be
    tried, 4 the baseline has to be shortened."""
    from conformance.runner.running import Options, run
    from conformance.runner.running import chosen as selection

    chosen = load_profile(_profile_path(profile))
    waves = tuple(wave or ((1,) if quick else (1, 2))) + ((3,) if intrusive else ())
    _names_that_exist(chosen, url, i_own_the_target)
    options = Options(
        waves=waves,
        only=tuple(_prefixes(only)),
        strict=strict,
        full=not quick,
        generated=generated,
        fresh_seed=fresh_seed,
        keep_findings_in=FINDINGS / chosen.name,
        pace=pace,
        allowed=i_own_the_target,
        baseline=baselines.load(baseline) if baseline else (),
        shuffle=shuffle,
        seed=seed,
    )
    for one in options.only:
        if not selection(replace(options, only=(one,))):
            raise ProfileError(f"--only {one}: all of it is wave 3, which could hurt; it needs --intrusive")
    target = folder or RUNS / datetime.now().strftime("%Y%m%d-%H%M%S")
    progress = _Progress()
    with _orderly_end(target):
        outcome = run(chosen, url, target, options, tell=_tell, progress=progress)
    progress.done()
    _write_reports(target)
    if outcome.results:
        _link_last(target)
    from rich.console import Console

    from conformance.report import terminal

    terminal.show(RunReader(target), Console())
    raise typer.Exit(outcome.exit_status)


@app.command("list")
def list_command(
    only: Annotated[list[str] | None, typer.Argument(help="Ids or beginnings of ids.")] = None,
) -> None:
    """The cases of the catalogue."""
    for info in _chosen(only):
        typer.echo(f"{info.id:8} {info.level:6} wave {info.wave}  {info.title}")


@app.command()
def explain(id: Annotated[str, typer.Argument(help="The id of a case.")]) -> None:
    """What a case is about, why it matters and what to do about it."""
    info = catalogue().get(id.upper())
    if info is None:
        raise ProfileError(f"no case is called {id}; `python -m conformance list` shows them all")
    from conformance.requirements import requirement

    typer.echo(f"{info.id}  {info.title}\n{info.area.heading}; {info.level}, wave {info.wave}, {info.safety}\n")
    for key in info.requirements:
        typer.echo(f"  {key}: {requirement(key).sentence}")
    if info.needs:
        typer.echo(f"\nNeeds: {', '.join(info.needs)}")
    typer.echo(f"\nIf it fails: {info.consequence}\nWhat to do: {info.fix}")
    for stack, hint in info.hints.items():
        typer.echo(f"  {stack}: {hint}")


@app.command()
def curl(
    run: RunArgument, id: Annotated[str, typer.Argument(help="The id of a result, such as MAL-05.123.")]
) -> None:
    """A curl line that sends the probe of a result again."""
    from conformance.report.curl import curl as line

    typer.echo(line(RunReader(_run_folder(run)), id))


@app.command()
def replay(
    run: RunArgument,
    id: Annotated[str, typer.Argument(help="The id of a result, such as MAL-05.123.")],
    url: Annotated[str, typer.Option(help="Base URL of the receiver.")],
    profile: Annotated[str, typer.Option(help="The profile, for the credentials.")],
    i_own_the_target: Annotated[str | None, typer.Option(help="As for `run`.")] = None,
) -> None:
    """Send the requests of a result again, byte for byte, and compare the answers; status 1 if one differs."""
    from conformance.runner.replaying import send_again

    outcome = send_again(
        RunReader(_run_folder(run)), id, url, load_profile(_profile_path(profile)), i_own_the_target
    )
    for one in outcome:
        typer.echo(f"{one.purpose:8} then {one.old}, now {one.new}")
    raise typer.Exit(0 if all(one.same for one in outcome) else 1)


@app.command()
def prove(
    only: Annotated[list[str] | None, typer.Argument(help="Ids of cases or of faults (MU-04).")] = None,
    stock: Annotated[bool, typer.Option(help="Also try stock schemathesis on every faulty receiver.")] = False,
    benign: Annotated[bool, typer.Option(help="Also the correct but different receivers.")] = True,
    full: Annotated[
        bool,
        typer.Option(help="Every case on every faulty receiver, for half an hour: do others fail too?"),
    ] = False,
    jobs: Annotated[int, typer.Option(help="Receivers at a time.")] = 3,
    table: Annotated[Path | None, typer.Option(help="Write the kill table as Markdown.")] = None,
) -> None:
    """Show that the suite can fail: flip test, faulty receivers, benign variants."""
    from conformance.proof.proving import Extent
    from conformance.proof.proving import prove as carry_out

    extent = Extent(tuple(only or ()), full=full, stock=stock, benign=benign, jobs=jobs)
    raise typer.Exit(carry_out(extent, table, typer.echo))


@app.command()
def requirements() -> None:
    """Every requirement with its source and its cases, or why it has none; status 1 if one has neither."""
    from conformance.report import requirement_list
    from conformance.requirements import uncovered

    typer.echo(requirement_list.render(catalogue()))
    raise typer.Exit(1 if uncovered(catalogue()) else 0)


@app.command()
def merge(
    runs: Annotated[list[str], typer.Argument(help="As for `render`, two or more.", metavar="RUN...")],
    output: Annotated[Path, typer.Option(help="An HTML file if the name ends with .html, else Markdown.")],
) -> None:
    """Set several runs side by side: a row for each case, a column for each run."""
    from conformance.report import comparison

    found = comparison.compare([RunReader(_run_folder(run)) for run in runs])
    write = comparison.to_html if output.suffix == ".html" else comparison.to_markdown
    output.write_text(write(found), encoding="utf-8")


@app.command()
def render(run: RunArgument) -> None:
    """Write the reports of a run anew from its run.ndjson."""
    _write_reports(_run_folder(run))


def _write_reports(folder: Path) -> None:
    from conformance.report import badge, html, json_report, junit, markdown

    reader = RunReader(folder)
    for name, module in (
        ("report.json", json_report),
        ("junit.xml", junit),
        ("summary.md", markdown),
        ("badge.json", badge),
        ("report.html", html),
    ):
        (folder / name).write_text(module.render(reader), encoding="utf-8")
    typer.echo(f"Reports: {folder / 'report.html'}, junit.xml, report.json, summary.md, badge.json, run.ndjson")


def _link_last(folder: Path) -> None:
    if folder.parent == RUNS:
        (RUNS / "last").unlink(missing_ok=True)
        (RUNS / "last").symlink_to(folder.name)


def _run_folder(name: str) -> Path:
    for folder in (Path(name), RUNS / name):
        if folder.is_dir():
            return folder
    raise ProfileError(f"no run is called {name}; the runs are in {RUNS}")


def _profile_path(name: str) -> Path:
    shipped = PROFILES / f"{name}.yaml"
    return shipped if shipped.is_file() and not Path(name).is_file() else Path(name)


def _chosen(only: list[str] | None) -> Iterator[CaseInfo]:
    prefixes = tuple(_prefixes(only))
    for info in catalogue().values():
        if not prefixes or info.id.startswith(prefixes):
            yield info


def _prefixes(only: list[str] | None) -> Iterator[str]:
    for one in only or ():
        if not any(info.id.startswith(one.upper()) for info in catalogue().values()):
            raise ProfileError(f"no case is called {one} or begins so; `python -m conformance list` shows them all")
        yield one.upper()


def _names_that_exist(profile: Profile, url: str, allowed: str | None) -> None:
    """A slip in a name would be taken for silence, and the run for one that was allowed."""
    for node in filter(None, (url, profile.second_url)):
        permission = preflight.permission(Address.of(node, None), allowed)
        if not permission.ok:
            raise ProfileError(permission.reason)
    for id in profile.expected_blocked:
        if id not in catalogue():
            raise ProfileError(f"expected_blocked.{id}: no case is called so")
    needed = {need for info in catalogue().values() for need in info.needs}
    for kind, names in (("states", profile.states), ("actions", profile.actions)):
        for name in names:
            if name not in needed:
                raise ProfileError(f"{kind}.{name}: no case needs it; {', '.join(sorted(needed))} are known")


@contextmanager
def _orderly_end(folder: Path) -> Iterator[None]:
    """Whoever ends a run, by Ctrl-C or as CI does: the receiver is put back, and what was found is kept."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupted(number: int, frame: object) -> None:
        for one in signals:
            signal.signal(one, signal.SIG_IGN)  # the receiver is put back undisturbed
        _tell("interrupted; the receiver is put back")
        raise KeyboardInterrupt

    before = {one: signal.signal(one, interrupted) for one in signals}
    try:
        yield
    except KeyboardInterrupt:
        _write_reports(folder)
        raise typer.Exit(128 + signal.SIGINT) from None
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _tell(text: str) -> None:
    print(f"conformance: {text}", file=sys.stderr)


class _Progress:
    """One line that changes, on a terminal only."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def __call__(self, info: CaseInfo) -> None:
        if self._shown:
            print(f"\r\x1b[K{info.id} {info.title[:66]}", end="", file=sys.stderr, flush=True)

    def done(self) -> None:
        """Take the line away."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except _USERS_MISTAKES as error:
        for line in str(error).splitlines():
            print(f"conformance: {line}", file=sys.stderr)
        sys.exit(2)
