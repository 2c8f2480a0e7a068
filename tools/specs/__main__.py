"""Shows how Tradecloud's live Swagger files differ from ours in specs/upstream/, and replaces ours on demand.

Exit status: 0 no drift (or replaced), 3 additive drift only, 4 breaking drift, 5 a live file could not be had or
compared, 6 a replacement was refused. 2 is a wrong option. With 5 and 6 nothing was changed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from service.console.text import escaped
from tools.generate import upstream
from tools.generate.composition import UnsupportedConstructError
from tools.generate.pipeline import CONTRACTS, INDISPENSABLE, upstream_file
from tools.specs.changes import Comparison, Severity
from tools.specs.comparison import compare
from tools.specs.live import ACCEPTANCE, PRODUCTION, FetchError, LiveFile, fetch, url_of
from tools.specs.replacement import ReplacementRefusedError, replace
from tools.specs.report import print_report, report_json

STATUS = {None: 0, Severity.ADDITIVE: 3, Severity.BREAKING: 4}
NOT_COMPARED = 5
NOT_REPLACED = 6


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; see the head of this module."""
    options = _options(arguments)
    base = PRODUCTION if options.production else options.base
    names = [options.only] if options.only else list(CONTRACTS)
    try:
        # All before anything is shown: half an answer would look like a whole one.
        live = {name: fetch(url_of(base, CONTRACTS[name]), options.ca_file) for name in names}
        compared = dict(_compared(live))
    except (FetchError, UnsupportedConstructError, upstream.SwaggerFileError, OSError) as error:
        print(f"make specs: {escaped(error)}; nothing was changed", file=sys.stderr)
        return NOT_COMPARED
    if options.json:
        print(json.dumps(report_json(base, compared), indent=2))
    else:
        print_report(compared, _levels(names), sys.stdout)
    if options.replace:
        return _replaced(live)
    status: int = STATUS[max((one.severity for _, one in compared.values()), key=lambda one: STATUS[one])]
    return status


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    description, _, statuses = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(prog="make specs", description=description, epilog=statuses)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--production", action="store_true", help=f"the files of {PRODUCTION}")
    where.add_argument("--base", default=ACCEPTANCE, type=_base, help="the files below this URL (%(default)s)")
    parser.add_argument("--only", choices=list(CONTRACTS), help="one contract; otherwise both")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--replace", action="store_true", help="write the live files over those in specs/upstream/")
    parser.add_argument("--ca-file", metavar="PEM", help="authorities to trust instead of the usual ones")
    return parser.parse_args(arguments)


def _base(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError(f"{text!r} is no URL such as {ACCEPTANCE}")
    return text


def _compared(live: dict[str, LiveFile]) -> Iterator[tuple[str, tuple[LiveFile, Comparison]]]:
    for name, file in live.items():
        ours = upstream.read(upstream_file(CONTRACTS[name]).read_bytes())
        try:
            yield name, (file, compare(ours, file.document, INDISPENSABLE[CONTRACTS[name]]))
        except UnsupportedConstructError as error:
            raise FetchError(f"{file.url}: {error}") from error


def _levels(names: Sequence[str]) -> dict[str, str]:
    levels: dict[str, str] = {}
    for name in names:
        ours = upstream.read(upstream_file(CONTRACTS[name]).read_bytes())
        said = ours.get("x-confidence-levels")
        levels |= said if isinstance(said, dict) else {}
    return levels


def _replaced(live: dict[str, LiveFile]) -> int:
    try:
        paths = replace({CONTRACTS[name]: file.content for name, file in live.items()})
    except ReplacementRefusedError as error:
        print(f"make specs: {escaped(error)}; nothing was changed", file=sys.stderr)
        return NOT_REPLACED
    for path in paths:
        print(f"replaced specs/upstream/{path.name}", file=sys.stderr)
    print("next: make generate, then make test" if paths else "nothing to replace", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
