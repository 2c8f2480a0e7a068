"""DEL: documented payloads are delivered."""

from __future__ import annotations

from conformance.catalogue import case
from conformance.contract.reading import Payload, event_names
from conformance.requests.changes import set_value
from conformance.requests.request import Form
from conformance.steps import Case, NotApplicable, Probe, Twin
from conformance.subject import Subject
from conformance.verdict import Level, accepted

_LOST = "Tradecloud drops the event: the change never reaches the ERP, and nobody is told."
_GOLDEN = (
    ("DEL-01", Payload.ORDER_EVENT, Form.JSON, ("R-EVT-1", "R-RSP-1")),
    ("DEL-02", Payload.SINGLE_DELIVERY, Form.JSON, ("R-EVT-1", "R-RSP-1")),
    ("DEL-03", Payload.DOCUMENTS, Form.JSON, ("R-EVT-1", "R-RSP-1")),
    ("DEL-04", Payload.SHIPMENT, Form.JSON, ("R-EVT-2", "R-RSP-1")),
    ("DEL-05", Payload.ORDER_EVENT, Form.TXML, ("R-FMT-1", "R-FMT-3")),
    ("DEL-06", Payload.SINGLE_DELIVERY, Form.TXML, ("R-FMT-1", "R-FMT-3")),
    ("DEL-07", Payload.DOCUMENTS, Form.TXML, ("R-FMT-1", "R-FMT-3")),
    ("DEL-08", Payload.SHIPMENT, Form.TXML, ("R-FMT-1",)),
)


def _golden_case(id: str, payload: Payload, form: Form, requirements: tuple[str, ...]) -> None:
    @case(
        id,
        f"A typical {payload.value} in {'JSON' if form is Form.JSON else 'tXML'} is delivered",
        level=Level.MUST,
        wave=1,
        requirements=requirements,
        consequence=_LOST,
        fix=f"Accept `{payload.value}` as the contract describes it and answer 200 or 202.",
    )
    def golden(subject: Subject) -> Case:
        if payload not in subject.payloads or form not in subject.forms(payload.endpoint):
            yield NotApplicable(payload.value, "the profile does not claim it")
            return
        yield Probe(payload.value, subject.golden(payload, form), accepted())


for _row in _GOLDEN:
    _golden_case(*_row)


@case(
    "DEL-09",
    "Each of the 43 order event names is delivered",
    level=Level.MUST,
    wave=1,
    requirements=("R-EVT-1",),
    consequence="Events of that name are dropped for good.",
    fix="Do not compare event names with a closed list; accept those that you do not use and do nothing.",
)
def order_event_names(subject: Subject) -> Case:
    for payload in (Payload.ORDER_EVENT, Payload.SINGLE_DELIVERY):
        if payload in subject.payloads:
            for form in subject.forms(payload.endpoint):
                control = subject.golden(payload, form)
                for name in event_names(payload):
                    yield Twin(f"{name} {payload.value} {form}", control, set_value("/eventName", name), accepted())
