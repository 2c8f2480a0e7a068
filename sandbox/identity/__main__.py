"""`python -m sandbox.identity`: the identity provider by itself, with a control port."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from sandbox.certificates import Authority
from sandbox.control import Control
from sandbox.identity.directory import AUDIENCE, CLIENT, CLIENT_SECRET, Application, Client, Directory
from sandbox.identity.forms import Form
from sandbox.identity.provider import IdentityProvider
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
SECRET = "SANDBOX_CLIENT_SECRET"  # noqa: S105


def main() -> int:
    """Run until SIGTERM or Ctrl+C; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.identity", description="A stand-in for Entra ID, AD FS and B2C."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default %(default)s)")
    parser.add_argument("--i-own-the-target", metavar="HOST", help="allow a --host that other machines can reach")
    parser.add_argument("--https-port", type=int, default=0, help="default: any that is free")
    parser.add_argument("--http-port", type=int, default=0, help="default: any that is free")
    parser.add_argument("--control-port", type=int, default=0, help="of faults, always on loopback; default: any")
    parser.add_argument(
        "--ca-file", type=Path, help="where to write the authority to trust (default: a new folder)"
    )
    parser.add_argument("--client", default=CLIENT, help="client id (default %(default)s)")
    parser.add_argument("--audience", default=AUDIENCE, help="application ID URI (default %(default)s)")
    parser.add_argument(
        "--token-version", type=int, choices=(1, 2), default=2, help="of Entra's tokens (default 2)"
    )
    parser.add_argument(
        "--role", action="append", default=[], help="an application role of the client; may be repeated"
    )
    parser.add_argument(
        "--token-seconds", type=int, default=3599, help="how long a token is valid (default %(default)s)"
    )
    options = parser.parse_args()
    secret = os.environ.get(SECRET, CLIENT_SECRET)
    try:
        check_host(options.host, options.i_own_the_target)
        if not on_loopback(options.host) and secret == CLIENT_SECRET:
            raise NotAllowedHostError(
                f"other machines can reach it: give the client a secret of your own in {SECRET}"
            )
        application = Application(
            uri=options.audience,
            token_version=options.token_version,
            roles={options.client: frozenset(options.role)},
        )
        directory = Directory(clients=(Client(options.client, secret),), applications=(application,))
        authority = Authority()
        provider = IdentityProvider(
            authority,
            directory,
            host=options.host,
            https_port=options.https_port,
            http_port=options.http_port,
            token_seconds=options.token_seconds,
        )
        control = Control()
        provider.register(control)
        controls = HttpServer(control, port=options.control_port)
    except (NotAllowedHostError, OSError) as error:
        print(f"sandbox.identity: {error}", file=sys.stderr)
        return 1
    ending = Ending()  # before anybody is told that it runs
    with provider, controls, published(authority.pem, options.ca_file) as ca_file:
        facts = {
            "https": provider.https_url,
            "http": provider.http_url,
            "control": controls.url,
            "token": f"{provider.authority_url(Form.V2)}/oauth2/v2.0/token",
            "entra": provider.authority_url(Form.V2),
            "adfs": provider.authority_url(Form.ADFS),
            "b2c": provider.authority_url(Form.B2C),
            "scope": f"{application.uri}/.default",
            "application": application.id,
            "client": options.client,
            "ca": str(ca_file),
        }
        print(ready_line("identity", facts), flush=True)
        ending.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
