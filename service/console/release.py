"""What releasing a body from quarantine came to."""

from __future__ import annotations

from service.console.text import escaped, json_text
from service.inbox.interface import NewEvent
from service.problems import MAX_FINDINGS, BodyRefusedError

#: Findings in text; --json has all that are kept.
_MAX_SHOWN = 20


def released(event_id: str, new: NewEvent, *, as_json: bool) -> str:
    """It is on its way."""
    if as_json:
        return json_text({"eventId": event_id, "released": True, **_facts(new)})
    return f"{event_id} is released as {_in_words(new)}."


def would_be_released(event_id: str, new: NewEvent, *, as_json: bool) -> str:
    """The body fits; nothing was done."""
    if as_json:
        return json_text({"eventId": event_id, "released": False, "dryRun": True, **_facts(new)})
    return f"{event_id} would be released as {_in_words(new)}.\n\nNothing was done."


def refused(event_id: str, error: BodyRefusedError, *, as_json: bool) -> str:
    """The body still does not fit; nothing was done."""
    if as_json:
        shown = error.findings[:MAX_FINDINGS]
        return json_text(
            {
                "eventId": event_id,
                "released": False,
                "problem": error.problem.slug,
                "detail": error.detail,
                "errors": [{"pointer": one.pointer, "reason": one.reason} for one in shown],
                "errorCount": len(error.findings),
            }
        )
    lines = [f"{event_id} stays in quarantine: {escaped(error.detail)}"]
    lines += [
        f"  {escaped(one.pointer or 'the body')}: {escaped(one.reason)}" for one in error.findings[:_MAX_SHOWN]
    ]
    if (more := len(error.findings) - _MAX_SHOWN) > 0:
        lines.append(f"  and {more} more; --json shows them")
    return "\n".join(lines)


def same_message(event_id: str, accepted: str, *, as_json: bool) -> str:
    """The same message was accepted meanwhile; nothing was done."""
    if as_json:
        return json_text({"eventId": event_id, "released": False, "sameMessageAs": accepted})
    return (
        f"{event_id} stays in quarantine: the same message was accepted as {accepted}; "
        "`webhooks events cancel` takes this one out of the way"
    )


def _facts(new: NewEvent) -> dict[str, object]:
    return {
        "eventName": new.facts.event_name,
        "subjectId": new.facts.subject_id,
        "purchaseOrderNumbers": new.facts.purchase_order_numbers,
        "driftCount": new.drift_count,
    }


def _in_words(new: NewEvent) -> str:
    name = escaped(new.facts.event_name) or "an event without a name"
    numbers = new.facts.purchase_order_numbers
    about = f" of order {escaped(numbers[0])}" if numbers else ""
    beyond = f", {new.drift_count} things in it beyond the contract" if new.drift_count else ""
    return f"{name}{about}{beyond}"
