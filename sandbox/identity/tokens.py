"""The token endpoint: client credentials (RFC 6749, section 4.4), secret by header or body, Entra's errors."""

from __future__ import annotations

import base64
import binascii
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import unquote_plus

from sandbox.identity import forms
from sandbox.identity.directory import Client, Directory, same_secret
from sandbox.identity.forms import Form, Place
from sandbox.identity.keys import KeyRing
from sandbox.serving import Answer, Request, json_answer

_DEFAULT = "/.default"


class TokenError(Exception):
    """No token; said as the provider says it."""

    def __init__(self, status: int, error: str, code: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.error = error
        self.code = code

    def answer(self) -> Answer:
        """RFC 6749, section 5.2, with the members that Entra adds."""
        now = datetime.now(UTC)
        headers = {"Cache_Control": "no-store"}
        if self.status == 401:
            headers["WWW_Authenticate"] = 'Basic realm="sandbox"'
        content = {
            "error": self.error,
            "error_description": f"AADSTS{self.code}: {self}",
            "error_codes": [self.code],
            "timestamp": f"{now:%Y-%m-%d %H:%M:%S}Z",
            "trace_id": str(uuid.uuid4()),
            "correlation_id": str(uuid.uuid4()),
        }
        return json_answer(self.status, content, **headers)


def token_answer(
    request: Request, place: Place, *, base: str, directory: Directory, keys: KeyRing, seconds: int
) -> Answer:
    """A token valid for that many seconds, or what is wrong with the request."""
    try:
        form = request.form()
        grant = form.get("grant_type")
        if grant is None:
            raise TokenError(400, "invalid_request", 900144, "The request body must contain 'grant_type'.")
        if grant != "client_credentials":
            raise TokenError(400, "unsupported_grant_type", 70003, f"The sandbox does not grant '{grant}'.")
        client = _client(request.headers, form, directory)
        resource = _resource(form, place)
        application = directory.application(resource)
        if application is None:
            raise TokenError(400, "invalid_resource", 500011, f"There is no application '{resource}' here.")
    except TokenError as error:
        return error.answer()
    now = int(time.time())
    claims = forms.claims(place, base, directory, client, application, resource)
    claims |= {"iat": now, "nbf": now, "exp": now + seconds}
    key = keys.current
    # Only tokens of the older form say x5t beside kid.
    old = claims["ver"] == "1.0" and place.form is not Form.B2C
    token = key.sign(claims, **({"x5t": key.kid} if old else {}))
    content: dict[str, object] = {"token_type": "Bearer", "expires_in": seconds, "access_token": token}
    if place.form is Form.V1:
        # The older endpoint writes its numbers as texts and repeats the resource.
        content |= {"expires_in": str(seconds), "expires_on": str(now + seconds), "not_before": str(now)}
        content["resource"] = resource
    elif place.form is not Form.ADFS:
        content["ext_expires_in"] = seconds
    return json_answer(200, content, Cache_Control="no-store", Pragma="no-cache")


def _client(headers: Mapping[str, str], form: Mapping[str, str], directory: Directory) -> Client:
    name, secret = form.get("client_id", ""), form.get("client_secret")
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            text = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            text = ""
        # RFC 6749, section 2.3.1: both are written as in a form before they are put together.
        name, secret = (unquote_plus(part) for part in text.partition(":")[::2])
    if not name:
        raise TokenError(400, "invalid_request", 900144, "The request must name its 'client_id'.")
    client = directory.client(name)
    if client is None:
        raise TokenError(400, "unauthorized_client", 700016, f"There is no application '{name}' in this tenant.")
    if secret is None:
        raise TokenError(401, "invalid_client", 7000218, "The request must contain 'client_secret'.")
    if not same_secret(client, secret):
        raise TokenError(401, "invalid_client", 7000215, "The client secret is wrong.")
    return client


def _resource(form: Mapping[str, str], place: Place) -> str:
    """What the token is for: `scope` ending in /.default, or `resource` where the form still has that."""
    scope, resource = form.get("scope", "").strip(), form.get("resource", "").strip()
    if resource and not scope and place.form in (Form.V1, Form.ADFS):
        return resource
    if not scope:
        raise TokenError(400, "invalid_request", 900144, "The request body must contain 'scope'.")
    if not scope.endswith(_DEFAULT):
        raise TokenError(400, "invalid_scope", 1002012, f"The scope '{scope}' must end in {_DEFAULT}.")
    return scope.removesuffix(_DEFAULT)
