"""`python -m sandbox.platform`: the platform's API by itself, with a control port."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from sandbox.certificates import Authority
from sandbox.control import Control
from sandbox.platform.logins import PASSWORD, USERNAME
from sandbox.platform.platform import Platform
from sandbox.serving import (
    Ending,
    HttpServer,
    NotAllowedHostError,
    check_host,
    on_loopback,
    published,
    ready_line,
)

#: Not an option: other users of a machine see the options of every process.
SECRET = "SANDBOX_PLATFORM_PASSWORD"  # noqa: S105


def main() -> int:
    """Run until SIGTERM or Ctrl+C; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.platform", description="A stand-in for the API of Tradecloud's platform."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default %(default)s)")
    parser.add_argument("--i-own-the-target", metavar="HOST", help="allow a --host that other machines can reach")
    parser.add_argument("--api-port", type=int, default=0, help="default: any that is free")
    parser.add_argument("--files-port", type=int, default=0, help="of download links; default: any that is free")
    parser.add_argument("--content-port", type=int, default=0, help="of a sender's own documents; default: any")
    parser.add_argument("--control-port", type=int, default=0, help="of faults, always on loopback; default: any")
    parser.add_argument("--https", action="store_true", help="serve HTTPS, by a certificate of its own")
    parser.add_argument("--ca-file", type=Path, help="where to write the authority to trust (with --https)")
    parser.add_argument("--username", default=USERNAME, help="default %(default)s")
    parser.add_argument("--calls-per-second", type=int, default=10, help="more are 429 (default %(default)s)")
    parser.add_argument("--link-seconds", type=float, default=60.0, help="life of a link (default %(default)s)")
    parser.add_argument("--repeat-seconds", type=float, default=0.0, help="give the same link again for so long")
    parser.add_argument("--access-seconds", type=float, default=3600.0, help="life of an access token")
    parser.add_argument("--refresh-seconds", type=float, default=86400.0, help="life of a refresh token")
    parser.add_argument("--basic-seconds", type=float, default=1.0, help="what a call with user name takes")
    options = parser.parse_args()
    password = os.environ.get(SECRET, PASSWORD)
    authority = Authority()
    try:
        check_host(options.host, options.i_own_the_target)
        if not on_loopback(options.host) and password == PASSWORD:
            raise NotAllowedHostError(f"other machines can reach it: give a password of your own in {SECRET}")
        platform = Platform(
            authority=authority if options.https else None,
            users={options.username: password},
            host=options.host,
            api_port=options.api_port,
            files_port=options.files_port,
            content_port=options.content_port,
            calls_per_second=options.calls_per_second,
            link_seconds=options.link_seconds,
            repeat_seconds=options.repeat_seconds,
            access_seconds=options.access_seconds,
            refresh_seconds=options.refresh_seconds,
            basic_seconds=options.basic_seconds,
        )
        control = Control()
        platform.register(control)
        controls = HttpServer(control, port=options.control_port)
    except (NotAllowedHostError, OSError) as error:
        print(f"sandbox.platform: {error}", file=sys.stderr)
        return 1
    ending = Ending()  # before anybody is told that it runs
    with platform, controls, published(authority.pem, options.ca_file) as ca_file:
        facts = {"base": platform.base, "files": platform.files_url(), "content": platform.content_url}
        facts |= {"control": controls.url, "username": options.username}
        print(ready_line("platform", facts | ({"ca": str(ca_file)} if options.https else {})), flush=True)
        ending.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
