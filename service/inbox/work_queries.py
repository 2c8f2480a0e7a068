"""The worker's questions to the database and what it writes, as SQL that SQLite and PostgreSQL both know."""

from __future__ import annotations

from sqlalchemy import bindparam, text

_EVENT_TO_APPLY = (
    "SELECT event.seq, event.id, event.endpoint, event.key, event.apply_at, event.event_name, event.payload_kind,"
    " event.subject_id, coalesce(edited_body.content_type, event.content_type) AS content_type,"
    " CASE WHEN edited_body.body IS NULL THEN event.content_encoding ELSE '' END AS content_encoding,"
    " coalesce(edited_body.body, event_body.body) AS body, effect.event_id IS NOT NULL AS applied_before,"
    " EXISTS (SELECT 1 FROM audit WHERE audit.target = event.id AND audit.action = 'replay') AS replayed,"
    " (SELECT earlier.id FROM event AS earlier WHERE earlier.key = event.key AND earlier.seq < event.seq"
    " AND earlier.applied_at IS NULL AND earlier.state IN ('received', 'waiting', 'dead')"
    " ORDER BY earlier.seq DESC LIMIT 1) AS directly_behind,"
    " (SELECT mirror.state FROM mirror WHERE mirror.endpoint = event.endpoint"
    " AND mirror.subject_id = event.subject_id) AS mirror"
    " FROM event JOIN event_body ON event_body.event_id = event.id"
    " LEFT JOIN edited_body ON edited_body.event_id = event.id"
    " LEFT JOIN effect ON effect.event_id = event.id"
)
TO_APPLY = text(
    f"{_EVENT_TO_APPLY} WHERE event.apply_at IS NOT NULL AND event.apply_at <= :now"
    " ORDER BY event.apply_at, event.seq LIMIT :limit"
)
CANDIDATES_TO_APPLY = text(
    "SELECT id, key FROM event WHERE apply_at IS NOT NULL AND apply_at <= :now ORDER BY apply_at, seq LIMIT :limit"
)
THESE_TO_APPLY = text(
    f"{_EVENT_TO_APPLY} WHERE event.id IN :ids AND event.apply_at IS NOT NULL AND event.apply_at <= :now"
    " ORDER BY event.apply_at, event.seq"
).bindparams(bindparam("ids", expanding=True))
KEY_TO_APPLY = text("SELECT key FROM event WHERE id = :id AND apply_at IS NOT NULL")
KEY_OF = text("SELECT key FROM event WHERE id = :id")
ONE_TO_APPLY = text(f"{_EVENT_TO_APPLY} WHERE event.id = :id AND event.apply_at IS NOT NULL")
NEXT_TO_APPLY = text("SELECT min(apply_at) FROM event WHERE apply_at IS NOT NULL")
DUE = text("SELECT 1 FROM handover WHERE ready AND destination = :destination AND due_at <= :now LIMIT 1")
NEXT_DUE = text("SELECT min(due_at) FROM handover WHERE ready AND destination = :destination")
DESTINATIONS = text("SELECT name, paused_at, unavailable_since FROM destination")
MATERIAL = text(
    "SELECT event.id, event.endpoint, event.event_name, event.received_at, event.subject_id, event.message_id,"
    " event.purchase_order_number, coalesce(edited_body.content_type, event.content_type) AS content_type,"
    " CASE WHEN edited_body.body IS NULL THEN event.content_encoding ELSE '' END AS content_encoding,"
    " coalesce(edited_body.body, event_body.body) AS body, snapshot.current, effect.changes, effect.stale,"
    " effect.flags, effect.echo"
    " FROM event JOIN event_body ON event_body.event_id = event.id"
    " LEFT JOIN edited_body ON edited_body.event_id = event.id"
    " LEFT JOIN snapshot ON snapshot.event_id = event.id"
    " LEFT JOIN effect ON effect.event_id = event.id"
    " WHERE event.id = :event_id"
)
CHANGES = text("SELECT changes FROM effect WHERE event_id = :event_id")
ORDERS = text("SELECT purchase_order_number FROM event_order WHERE event_id = :event_id")

#: One that nobody waits for any more and that has no file was given up, or an operator decided so.
DOCUMENTS = text(
    "SELECT number, place, line, code, revision, name, object_id, url, updated_at, copy_key, path, sha256, size,"
    " media_type, reason, CASE WHEN state = 'waiting' AND NOT EXISTS (SELECT 1 FROM handover"
    " WHERE handover.event_id = document.event_id AND handover.destination = 'documents' AND handover.open)"
    " THEN 'missing' ELSE state END AS state"
    " FROM document WHERE event_id = :event_id ORDER BY number"
)
STORED_COPY = text(
    "SELECT path, sha256, size, media_type FROM document WHERE copy_key = :copy_key AND state = 'stored'"
    " ORDER BY stored_at DESC LIMIT 1"
)
#: An event that is replayed names the same ones; what is stored stays so.
NAME_DOCUMENT = text(
    "INSERT INTO document (event_id, number, place, line, code, revision, name, object_id, url, updated_at,"
    " copy_key, state, reason) VALUES (:event_id, :number, :place, :line, :code, :revision, :name, :object_id,"
    " :url, :updated_at, :copy_key, :state, :reason)"
    " ON CONFLICT (event_id, number) DO UPDATE SET state = excluded.state, reason = excluded.reason"
    " WHERE document.state <> 'stored'"
)
NOTE_DOCUMENT = text(
    "UPDATE document SET state = :state, path = :path, sha256 = :sha256, size = :size, media_type = :media_type,"
    " stored_at = :stored_at, reason = :reason WHERE event_id = :event_id AND number = :number"
)

STILL_TO_APPLY = text("SELECT id, apply_at FROM event WHERE id IN :ids").bindparams(
    bindparam("ids", expanding=True)
)
MARK_BEHIND = text("UPDATE event SET state = 'waiting', apply_at = NULL, reason = :reason WHERE id = :id")
MARK_FAULT = text(
    "UPDATE event SET state = 'dead', apply_at = NULL, applied_at = :applied_at, reason = :reason WHERE id = :id"
)
GIVE_REASON = text("UPDATE event SET reason = :reason WHERE id = :id")
MARK_APPLIED = text(
    "UPDATE event SET state = :state, apply_at = NULL, applied_at = :now, until = NULL, reason = :reason"
    " WHERE id = :id"
)
STORE_MIRROR = text(
    "INSERT INTO mirror (endpoint, subject_id, state, purchase_order_number, shipment_number,"
    " supplier_account_number, buyer_account_number, process_status, logistics_status, version, last_updated_at,"
    " lines, events, last_event_id, changed_at) VALUES (:endpoint, :subject_id, :state, :purchase_order_number,"
    " :shipment_number, :supplier_account_number, :buyer_account_number, :process_status, :logistics_status,"
    " :version, :last_updated_at, :lines, :events, :last_event_id, :changed_at)"
    " ON CONFLICT (endpoint, subject_id) DO UPDATE SET state = excluded.state,"
    " purchase_order_number = excluded.purchase_order_number, shipment_number = excluded.shipment_number,"
    " supplier_account_number = excluded.supplier_account_number,"
    " buyer_account_number = excluded.buyer_account_number, process_status = excluded.process_status,"
    " logistics_status = excluded.logistics_status, version = excluded.version,"
    " last_updated_at = excluded.last_updated_at, lines = excluded.lines, events = mirror.events + excluded.events,"
    " last_event_id = excluded.last_event_id, changed_at = excluded.changed_at"
)
MIRROR_ORDER = text(
    "INSERT INTO mirror_order (purchase_order_number, endpoint, subject_id)"
    " VALUES (:purchase_order_number, :endpoint, :subject_id) ON CONFLICT DO NOTHING"
)
FORGET_EFFECT = text("DELETE FROM effect WHERE event_id = :id")
FORGET_SNAPSHOT = text("DELETE FROM snapshot WHERE event_id = :id")
#: A replayed event keeps the handovers that are still open, or were when it was replayed: the replay made these due
#: at the moment from when on it is to be merged again. What was closed gets a new round.
HAND_OVER = text(
    "INSERT INTO handover (event_id, destination, round, key, state, open, ready, due_at, attempts, refused_ms,"
    " holds_event)"
    " SELECT :event_id, :destination,"
    " coalesce((SELECT max(round) FROM handover WHERE event_id = :event_id AND destination = :destination), 0) + 1,"
    " :key, 'received', TRUE,"
    " NOT EXISTS (SELECT 1 FROM handover WHERE open AND destination = :destination AND key = :key)"
    " AND NOT EXISTS (SELECT 1 FROM handover WHERE event_id = :event_id AND open AND holds_event),"
    " :due_at, 0, 0, :holds_event"
    " WHERE NOT EXISTS"
    " (SELECT 1 FROM handover WHERE event_id = :event_id AND destination = :destination"
    " AND (open OR due_at = :apply_at))"
)
#: By what a worker among several keeps the others away: the key of the event, for its documents too.
_LOCK_KEY = "(SELECT event.key FROM event WHERE event.id = handover.event_id) AS lock_key"
READY = text(
    f"SELECT id, event_id, destination, round, key, attempts, refused_ms, {_LOCK_KEY} FROM handover"  # noqa: S608
    " WHERE ready AND destination = :destination AND due_at <= :now ORDER BY due_at, id LIMIT :limit"
)
#: What somebody else is writing at this moment is left for the next turn.
THESE_READY = text(
    f"SELECT id, event_id, destination, round, key, attempts, refused_ms, {_LOCK_KEY} FROM handover"  # noqa: S608
    " WHERE id IN :ids AND ready AND due_at <= :now ORDER BY due_at, id FOR UPDATE SKIP LOCKED"
).bindparams(bindparam("ids", expanding=True))
TOKENS = text("SELECT id, state, attempts, started_at FROM handover WHERE id IN :ids FOR UPDATE").bindparams(
    bindparam("ids", expanding=True)
)
STILL_IN_FLIGHT = text(
    "SELECT id, event_id, started_at FROM handover WHERE id IN :ids AND started_at IS NOT NULL FOR UPDATE"
).bindparams(bindparam("ids", expanding=True))
#: What was never attempted there, before what may be the reason why the destination seems to be unavailable.
FRESH = text(
    f"SELECT id, event_id, destination, round, key, attempts, refused_ms, {_LOCK_KEY} FROM handover"  # noqa: S608
    " WHERE ready AND destination = :destination AND due_at <= :now AND attempts = 0"
    " ORDER BY due_at, id LIMIT :limit"
)
OF_EVENT = text(
    "SELECT id, event_id, destination, round, key, attempts, refused_ms, state,"
    " (SELECT event.key FROM event WHERE event.id = one.event_id) AS lock_key,"
    " EXISTS (SELECT 1 FROM handover AS other WHERE other.open AND other.destination = one.destination"
    " AND other.key = one.key AND other.id <> one.id AND (other.id < one.id OR NOT one.open))"
    " OR EXISTS (SELECT 1 FROM handover AS holder WHERE holder.event_id = one.event_id AND holder.open"
    " AND holder.holds_event AND holder.id <> one.id) AS blocked"
    " FROM handover AS one WHERE event_id = :event_id AND destination = :destination ORDER BY round DESC LIMIT 1"
)
BEGIN = text(
    "UPDATE handover SET state = 'processing', open = TRUE, ready = FALSE, started_at = :now,"
    " attempts = attempts + 1 WHERE id = :id"
)
FINISH = text(
    "UPDATE handover SET state = :state, open = :open, ready = :ready, due_at = coalesce(:due_at, due_at),"
    " refused_ms = :refused_ms, started_at = NULL, finished_at = :finished_at, outcome = :outcome,"
    " reason = :reason WHERE id = :id AND state = 'processing'"
)
IN_FLIGHT = text(
    f"SELECT id, event_id, destination, {_LOCK_KEY}, started_at FROM handover WHERE started_at IS NOT NULL"  # noqa: S608
)
APPLY_WHAT_CAME_IN_THE_FUTURE = text(
    "UPDATE event SET apply_at = :now WHERE apply_at > :now AND apply_at <= received_at"
)
TAKE_OVER = text("UPDATE event SET apply_at = :now WHERE apply_at > :now AND endpoint = :endpoint")
TAKE_OVER_HANDOVERS = text(
    "UPDATE handover SET due_at = :now WHERE ready AND due_at > :now AND outcome IN ('unavailable', 'timed out')"
    " AND EXISTS (SELECT 1 FROM event WHERE event.id = handover.event_id AND event.endpoint = :endpoint)"
)
HAND_OVER_WHAT_IS_TOO_FAR_AWAY = text("UPDATE handover SET due_at = :now WHERE ready AND due_at > :latest")
REPEAT = text(
    "UPDATE handover SET state = 'received', ready = TRUE, due_at = :now, started_at = NULL, outcome = :outcome"
    " WHERE id = :id"
)
BRING_FORWARD = text(
    "UPDATE handover SET due_at = :now WHERE ready AND destination = :destination AND due_at > :now"
    " AND outcome IN ('unavailable', 'timed out')"
)
LEAVE_TO_SENDER = text(
    "UPDATE handover SET due_at = :due_at WHERE event_id = :event_id AND destination = :destination AND open"
)
EXTEND_SENDER = text("UPDATE event SET apply_at = :apply_at WHERE id = :id AND apply_at IS NOT NULL")
NOTE_DESTINATION = text(
    "INSERT INTO destination (name, unavailable_since, unavailable_reason, next_attempt_at)"
    " VALUES (:name, :since, :reason, :next_attempt_at)"
    " ON CONFLICT (name) DO UPDATE SET unavailable_since = CASE WHEN excluded.unavailable_since IS NULL"
    " THEN NULL ELSE coalesce(destination.unavailable_since, excluded.unavailable_since) END,"
    " unavailable_reason = excluded.unavailable_reason, next_attempt_at = excluded.next_attempt_at"
)
STANDING = text(
    "SELECT endpoint, state, reason, EXISTS (SELECT 1 FROM handover WHERE event_id = event.id) AS handed_over"
    " FROM event WHERE id = :id"
)
