"""From the bytes of a body to the event that they hold; the same for deliveries and for what leaves quarantine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from handlers.interface import Endpoint, EventFacts, JsonObject
from handlers.orders import receive_order_event
from handlers.shipments import receive_shipment_event
from service.body import Label
from service.contract import Contract, webhook_contracts
from service.drift import DriftFinder
from service.fingerprint import NumberOutOfBoundsError, content_hash
from service.formats import parsers
from service.inbox.interface import Delivery, NewEvent, new_id
from service.parsed_body import ParsedBody, numbers_out_of_bounds
from service.validation import BodyValidator

Handler = Callable[[JsonObject], EventFacts]

#: operationId of the contract -> the handler that processes its events.
HANDLERS: dict[str, Handler] = {
    "receiveOrderEvent": receive_order_event,
    "receiveShipmentEvent": receive_shipment_event,
}


class EventReader:
    """Reads the bodies of one endpoint; compiled once."""

    def __init__(self, contract: Contract, handler: Handler) -> None:
        self._parsers = parsers(contract)
        self._validator = BodyValidator(contract)
        self._drift = DriftFinder(contract)
        self._handler = handler

    @property
    def media_types(self) -> tuple[str, ...]:
        """What the endpoint takes, the preferred one first."""
        return tuple(self._parsers)

    def read(self, delivery: Delivery, label: Label) -> NewEvent:
        """The event that a body holds, under a new id.

        Raises:
            BodyRefusedError: it holds none; with every finding.
        """
        form = label.form(self.media_types)
        return self._event(delivery, self._parsers[form.media_type](delivery.body, form.charset))

    def read_again(self, body: bytes, content_type: str) -> tuple[JsonObject, EventFacts]:
        """Values and facts of a body that was found to be valid when it was stored.

        Raises:
            BodyRefusedError: it cannot be read any more.
        """
        label = Label(content_type, 1, "", "", None)
        form = label.form(self.media_types)
        document = self._parsers[form.media_type](body, form.charset).document
        assert isinstance(document, dict)  # noqa: S101 - it was valid
        return document, self._handler(document)

    def _event(self, delivery: Delivery, parsed: ParsedBody) -> NewEvent:
        """As long as the contract documents all of a body, it is validated only once."""
        beyond = self._drift.beyond(parsed)
        document = self._validator.validate(parsed, known_to_be_valid=not beyond)
        facts = self._handler(document)
        try:
            fingerprint = content_hash(facts.content)
        except NumberOutOfBoundsError:
            raise numbers_out_of_bounds(document) from None
        drift = self._drift.summary(beyond, parsed, payload_kind=facts.payload_kind)
        if parsed.replaced or parsed.ambiguous:
            # Two bodies may differ in nothing but what the values do not show.
            fingerprint = hashlib.sha256(fingerprint + delivery.body).digest()
        return NewEvent(
            id=new_id(),
            delivery=delivery,
            # Without the content: many events may wait for the disk, and parsed ones take ten times the memory.
            facts=replace(facts, content={}),
            content_hash=fingerprint,
            drift=drift.items,
            drift_count=drift.count,
        )


def event_readers(contracts: Sequence[Contract] | None = None) -> Mapping[Endpoint, EventReader]:
    """A reader for each endpoint that has a handler; of the served contracts, unless they are at hand already."""
    return {
        endpoint: EventReader(contract, HANDLERS[operation_id])
        for contract in (webhook_contracts() if contracts is None else contracts)
        for operation_id, endpoint in contract.endpoints()
        if operation_id in HANDLERS
    }
