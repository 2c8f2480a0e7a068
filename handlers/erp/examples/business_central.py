"""A destination for Microsoft Dynamics 365 Business Central: agreed dates, quantities and prices into its orders.

    [destinations.erp]
    type = "python"
    class = "handlers.erp.examples.business_central:BusinessCentral"
    accounts = ["70044"]
    [destinations.erp.options]
    api_url = "https://api.businesscentral.dynamics.com/v2.0/TENANT/ENVIRONMENT/api/v2.0"
    company_id = "..."
    token_url = "https://login.microsoftonline.com/TENANT/oauth2/v2.0/token"
    client_id = "..."
    client_secret_file = "business-central.secret"
    actions_url = "https://api.businesscentral.dynamics.com/v2.0/TENANT/ENVIRONMENT/api/PUBLISHER/GROUP/v2.0"
    notes_folder = "business-central"

Documented by Microsoft (API v2.0): `purchaseOrders`, `purchaseOrderLines`, their members that are used here, POST
and PATCH of lines, `@odata.etag`, and that a PATCH demands `If-Match`. Not part of that API: reopening and
releasing an order. `actions_url` is where an extension of yours offers them, as the bound actions
`Microsoft.NAV.reopen` and `Microsoft.NAV.release` of `purchaseOrders('NUMBER')`, like the one that Tradecloud
publishes with its own connector; its status "Open" is a released order and "Draft" one that can be changed. Without
it a released order is refused.

Tried only against the stand-in of the tests, never against a real Business Central: paging, the statuses of its
refusals (400, 404, 409, 412), that the number of a new line can be chosen, and the two actions.

Nothing is left half done: each answer is checked; a line that somebody changed meanwhile (412, 409) is read and
judged again; a split line is looked for before it is created; an order that was reopened is released, whatever
happened in between. That it was reopened is noted on disk before, so that even after a crash the next attempt
releases it. Left to people: cancelled lines (nothing is deleted) and new orders (nothing is created).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from handlers.erp import exact_json
from handlers.erp.examples.business_central_lines import Edit, NotPossibleError, Order, plan, read_order
from handlers.erp.exchange import Answer, Deadline, HttpClient, TooSlowError, UnreachableError
from handlers.erp.http import retry_after
from handlers.erp.tokens import ClientCredentials, NoTokenError, TokenSource
from handlers.erp.verdicts import Verdict, verdict_of
from handlers.interface import (
    Accepted,
    Change,
    ErpEvent,
    JsonObject,
    Outcome,
    Refused,
    RenderedBody,
    TimedOut,
    Unavailable,
)

#: So often a line that changed meanwhile is read and judged again.
_ROUNDS = 4
_MAX_PAGES = 100
#: An order of 500 lines with all members is about 1 MB.
_MAX_ANSWER_BYTES = 16 * 1024 * 1024
_RELEASED, _CHANGEABLE = "Open", "Draft"


class BusinessCentral:
    """Writes into purchase orders what was agreed in Tradecloud."""

    def __init__(
        self,
        *,
        api_url: str,
        company_id: str,
        token_url: str,
        client_id: str,
        client_secret_file: str,
        scope: str = "https://api.businesscentral.dynamics.com/.default",
        actions_url: str = "",
        notes_folder: str = "",
        timeout: float = 60.0,
        price_decimals: int = 5,
    ) -> None:
        if actions_url and not notes_folder:
            raise ValueError("actions_url needs notes_folder, where it is noted which orders are reopened")
        self._orders = f"{api_url.rstrip('/')}/companies({company_id})/purchaseOrders"
        self._actions = f"{actions_url.rstrip('/')}/companies({company_id})/purchaseOrders" if actions_url else None
        self._notes = Path(notes_folder) if notes_folder else None
        if self._notes is not None:
            self._notes.mkdir(parents=True, exist_ok=True)
        secret = Path(client_secret_file).read_text(encoding="utf-8").strip()
        self._client = HttpClient()
        self._tokens = TokenSource(
            ClientCredentials(token_url, client_id, secret, (("scope", scope),)), self._client
        )
        self._timeout = timeout
        self._price_decimals = price_decimals

    def deliver(
        self, event: ErpEvent, merged: JsonObject | None, changes: Sequence[Change], body: RenderedBody
    ) -> Outcome:
        """Accepted once the lines are as agreed and the order is in the state in which it was found."""
        try:
            order = read_order(event, merged, changes, self._price_decimals)
        except NotPossibleError as error:
            return Refused(str(error))
        if order is None:
            return Accepted("nothing for a purchase order")
        try:
            outcome = self._outcome(lambda call: self._change(call, order))
        finally:
            released = self._outcome(lambda call: self._release(call, order.number))
        if isinstance(released, Accepted):
            return outcome
        left_open = f"order {order.number} is not released again: {released.reason}"
        return type(released)(left_open if isinstance(outcome, Accepted) else f"{outcome.reason}; {left_open}")

    def close(self) -> None:
        """End all connections."""
        self._client.close()

    def _outcome(self, work: Any) -> Outcome:
        """What some work comes to, in a time of its own."""
        try:
            return Accepted(work(_Calls(self._client, self._tokens, Deadline(self._timeout))))
        except _StoppedError as stopped:
            return stopped.outcome
        except NotPossibleError as error:
            return Refused(str(error))
        except (UnreachableError, NoTokenError) as error:
            return Unavailable(str(error))
        except TooSlowError as error:
            return TimedOut(str(error))

    def _change(self, call: _Calls, order: Order) -> str:
        found = self._find(call, order)
        lines_url = f"{self._orders}({found['id']})/purchaseOrderLines"
        changed = 0
        for _ in range(_ROUNDS):
            edits = plan(order, call.get_all(lines_url))
            if not edits:
                return f"order {order.number}: {changed} lines written" if changed else "all was so already"
            self._make_changeable(call, order.number, found)
            try:
                for edit in edits:
                    self._write(call, lines_url, edit)
                    changed += 1
            except _ChangedMeanwhileError:
                continue
            return f"order {order.number}: {changed} lines written"
        raise _StoppedError(Unavailable(f"order {order.number} is being changed by somebody else"))

    def _find(self, call: _Calls, order: Order) -> Mapping[str, Any]:
        wanted = quote(f"number eq {_literal(order.number)}")
        found = call.get_all(f"{self._orders}?$filter={wanted}")
        if not found:
            raise _StoppedError(Refused(f"there is no order {order.number}", unknown_order=True))
        currency = found[0].get("currencyCode")
        if order.currency and currency and order.currency != currency:
            raise NotPossibleError(f"order {order.number} is in {currency}, and its prices in {order.currency}")
        if found[0].get("pricesIncludeTax") is True:
            raise NotPossibleError(
                f"the prices of order {order.number} include tax, and those of Tradecloud do not"
            )
        return found[0]

    def _write(self, call: _Calls, lines_url: str, edit: Edit) -> None:
        content = exact_json.write(edit.values)
        if edit.line is None:
            call.send("POST", lines_url, content)
        else:
            line = f"{lines_url.rpartition('/purchaseOrders')[0]}/purchaseOrderLines({edit.line['id']})"
            call.send("PATCH", line, content, edit.line["@odata.etag"])

    def _make_changeable(self, call: _Calls, number: str, found: Mapping[str, Any]) -> None:
        if self._actions is None:
            if found.get("status") != _CHANGEABLE:
                raise NotPossibleError(f"order {number} is not open, and without actions_url it cannot be reopened")
            return
        for _ in range(_ROUNDS):
            state = call.get(self._action(number))
            if state.get("status") == _CHANGEABLE:
                return
            if state.get("status") != _RELEASED:
                raise NotPossibleError(f"order {number} is neither open nor released: {state.get('status')!a}")
            self._note(number)
            try:
                call.send("POST", f"{self._action(number)}/Microsoft.NAV.reopen", None, state["@odata.etag"])
            except _ChangedMeanwhileError:
                continue
            return
        raise _StoppedError(Unavailable(f"order {number} is being changed by somebody else"))

    def _release(self, call: _Calls, number: str) -> str:
        """Release the order if it was reopened here; nothing to do is well, too."""
        note = self._note_of(number)
        if note is None or not note.exists():
            return ""
        for _ in range(_ROUNDS):
            state = call.get(self._action(number))
            if state.get("status") == _CHANGEABLE:
                try:
                    call.send("POST", f"{self._action(number)}/Microsoft.NAV.release", None, state["@odata.etag"])
                except _ChangedMeanwhileError:
                    continue
            note.unlink()
            return ""
        raise _StoppedError(Unavailable(f"order {number} is being changed by somebody else"))

    def _action(self, number: str) -> str:
        return f"{self._actions}({quote(_literal(number), safe='')})"

    def _note_of(self, number: str) -> Path | None:
        # A number is foreign input, and no name of a file.
        return self._notes / hashlib.sha256(number.encode()).hexdigest() if self._notes else None

    def _note(self, number: str) -> None:
        """On the disk before the order is reopened: whatever happens then, the next attempt knows."""
        note = self._note_of(number)
        if note is None or self._notes is None:
            return
        with note.open("w", encoding="utf-8") as file:
            file.write(number)
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(self._notes, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class _StoppedError(Exception):
    """It ends here, with this outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome


class _ChangedMeanwhileError(Exception):
    """Something is not as it was read."""


class _Calls:
    """Calls of Business Central within one span of time, each with its answer checked."""

    def __init__(self, client: HttpClient, tokens: TokenSource, deadline: Deadline) -> None:
        self._client = client
        self._tokens = tokens
        self._deadline = deadline

    def get(self, url: str) -> Mapping[str, Any]:
        """The record."""
        return self._json(self._checked("GET", url, None, None))

    def get_all(self, url: str) -> list[Mapping[str, Any]]:
        """The records of all pages."""
        records: list[Mapping[str, Any]] = []
        next_url: Any = url
        for _ in range(_MAX_PAGES):
            page = self.get(next_url)
            value = page.get("value")
            if not isinstance(value, list):
                raise _StoppedError(Refused("the answer of Business Central is no list"))
            records += value
            next_url = page.get("@odata.nextLink")
            if next_url is None:
                return records
            # The token must not go to anybody else.
            if not isinstance(next_url, str) or next_url.split("/")[:3] != url.split("/")[:3]:
                raise _StoppedError(Refused("the next page of an answer is at another place"))
        raise _StoppedError(Refused("the answer of Business Central has no end"))

    def send(self, method: str, url: str, content: bytes | None, etag: str | None = None) -> None:
        """Change something.

        Raises:
            _ChangedMeanwhileError: it is not as it was read, or not there any more.
        """
        self._checked(method, url, content, etag)

    def _checked(self, method: str, url: str, content: bytes | None, etag: str | None) -> Answer:
        answer = self._ask(method, url, content, etag)
        if 200 <= answer.status < 300:
            return answer
        # 404: the line is gone; 409: another user has changed the record; 412: the ETag is not that of now.
        if method != "GET" and (answer.status in (404, 409, 412) or _taken(answer)):
            raise _ChangedMeanwhileError
        reason = f"Business Central answers {answer.status}{_message(answer)}"
        if verdict_of(answer.status) is Verdict.UNAVAILABLE:
            raise _StoppedError(Unavailable(reason, retry_after(answer.headers)))
        raise _StoppedError(Refused(reason))

    def _ask(self, method: str, url: str, content: bytes | None, etag: str | None) -> Answer:
        headers = {"Accept": "application/json"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        if etag is not None:
            headers["If-Match"] = etag
        for last in (False, True):
            token = self._tokens.token(self._deadline)
            headers["Authorization"] = f"Bearer {token}"
            answer = self._client.send(method, url, headers, content, self._deadline, _MAX_ANSWER_BYTES)
            if answer.status != 401 or last:
                return answer
            self._tokens.forget(token)
        raise AssertionError

    def _json(self, answer: Answer) -> Mapping[str, Any]:
        try:
            document = exact_json.read(answer.body) if answer.complete else None
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise _StoppedError(Unavailable("the answer of Business Central is no whole JSON object"))
        return document


def _literal(text: str) -> str:
    """A text in an OData address (OData 4.01 URL Conventions, section 5.1.1.6.1)."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def _error(answer: Answer) -> Mapping[str, Any]:
    try:
        error = exact_json.read(answer.body)["error"]
    except (ValueError, TypeError, KeyError):
        return {}
    return error if isinstance(error, dict) else {}


def _taken(answer: Answer) -> bool:
    """A line of that number is there already: most likely the one whose answer got lost."""
    return answer.status == 400 and "EntityWithSameKeyExists" in str(_error(answer).get("code"))


def _message(answer: Answer) -> str:
    message = " ".join(str(_error(answer).get("message") or "").split())
    return f": {message[:300]}" if message.isprintable() and message else ""
