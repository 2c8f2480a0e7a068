// A small receiver of Tradecloud's webhooks: it checks who calls, looks at the body, appends it to a file and answers 202.
// Node 20 or newer, no packages. Settings come from the environment; README.md beside this file lists them, and says
// which two faults are in here for the conformance suite to find.

import { createHash, timingSafeEqual } from 'node:crypto';
import { open } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

const PORT = Number(process.env.PORT ?? 8444);
const USER = process.env.TRADECLOUD_USER ?? 'tradecloud';
const PASSWORD = setting('TRADECLOUD_PASSWORD');
const EVENTS_FILE = setting('EVENTS_FILE');
const MAX_BODY_BYTES = 16 * 1024 * 1024;
const MAX_DEPTH = 100;

const ORDER_EVENTS = new Set(`
  OrderIssuedByBuyer OrderLinesIssuedByBuyer OrderLinesReissuedByBuyer OrderLinesUpdatedByBuyer
  OrderLinesAcceptedBySupplier OrderLinesRejectedBySupplier OrderLinesConfirmedByBuyer OrderLinesConfirmedBySupplier
  OrderChangesProposedBySupplier OrderChangesProposalApprovedByBuyer OrderChangesProposalRejectedByBuyer
  OrderLinesUpdatedBySupplier OrderLinesItemDetailsChanged OrderLinesReopenRequestedByBuyer
  OrderLinesReopenRequestRevertedByBuyer OrderLinesReopenRequestApprovedBySupplier
  OrderLinesReopenRequestRejectedBySupplier OrderLinesReopenRequestedBySupplier
  OrderLinesReopenRequestRevertedBySupplier OrderLinesReopenRequestApprovedByBuyer
  OrderLinesReopenRequestRejectedByBuyer OrderLinesReconfirmationRequestedByBuyer OrderLinesReconfirmedBySupplier
  OrderLinesCancelledByBuyer CancelledOrderLinesRevertedByBuyer OrderLinesCompletedByBuyer
  CompletedOrderLinesRevertedByBuyer OrderLinesMarkedAsOpenByBuyer OrderLinesMarkedAsOpenBySupplier
  OrderLinesShippedByBuyer OrderLinesMarkedAsDeliveredByBuyer OrderLinesMarkedAsDeliveredBySupplier
  OrderLinesDeliveryHistoryAppendedByBuyer OrderLinesDeliveryHistorySetByBuyer
  OrderLinesDeliveryScheduleLogisticsUpdatedByBuyer OrderLinesDeliveryScheduleLogisticsUpdatedBySupplier
  OrderLinesShipmentRescheduleRequestedBySupplier OrderLinesShipmentRescheduleApprovedByBuyer
  OrderLinesShipmentRescheduleRejectedByBuyer OrderContactReassignedByBuyer OrderContactReassignedBySupplier
  OrderResentByBuyer OrderResentBySupplier OrderDocumentsAttachedByBuyer OrderDocumentsAttachedBySupplier
`.trim().split(/\s+/));

const SHIPMENT_EVENTS = new Set(`
  ShipmentIssuedBySupplier ShipmentReissuedBySupplier ShipmentApprovedByBuyer ShipmentRejectedByBuyer
  ShipmentHeaderUpdatedBySupplier ShipmentDocumentAttachedByBuyer ShipmentDocumentAttachedBySupplier
  ShipmentResentByBuyer
`.trim().split(/\s+/));

const WEBHOOKS = {
  '/tradecloud/order': { names: ORDER_EVENTS, complaint: orderComplaint },
  '/tradecloud/shipment': { names: SHIPMENT_EVENTS, complaint: shipmentComplaint },
};

/** An answer other than 202. */
class Refusal extends Error {
  constructor(status, message, headers = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

async function receive(request) {
  const path = request.url.split('?')[0];
  const webhook = Object.hasOwn(WEBHOOKS, path) ? WEBHOOKS[path] : undefined;
  if (!webhook) throw new Refusal(404, 'no such address');
  if (request.method !== 'POST') throw new Refusal(405, 'only POST', { Allow: 'POST' });
  authenticate(request);
  checkMediaType(request);
  const text = decoded(await body(request));
  const event = parsed(text);
  const complaint = eventComplaint(event, webhook);
  if (complaint) throw new Refusal(400, complaint);
  await store(JSON.stringify({ received: new Date().toISOString(), path, body: text }) + '\n');
}

function authenticate(request) {
  const given = request.headersDistinct.authorization ?? [];
  const [, encoded] = (given.length === 1 && /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(given[0])) || [];
  const expected = Buffer.from(`${USER}:${PASSWORD}`);
  if (encoded === undefined || !same(Buffer.from(encoded, 'base64'), expected)) {
    throw new Refusal(401, 'wrong or no user and password', {
      'WWW-Authenticate': 'Basic realm="tradecloud", charset="UTF-8"',
    });
  }
}

/** Compares in a time that tells nothing of how much is right. */
function same(left, right) {
  const digest = (bytes) => createHash('sha256').update(bytes).digest();
  return timingSafeEqual(digest(left), digest(right));
}

function checkMediaType(request) {
  if (request.headers['content-type'] !== 'application/json') {
    throw new Refusal(415, 'send application/json');
  }
  if ((request.headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity') {
    throw new Refusal(415, 'send the body as it is, without a content coding', { 'Accept-Encoding': 'identity' });
  }
}

async function body(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    // What is too long is still read to its end, so that the answer is not lost in a connection that is cut.
    if (length <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  if (length > MAX_BODY_BYTES) throw new Refusal(413, `more than ${MAX_BODY_BYTES} bytes`);
  return Buffer.concat(chunks);
}

function decoded(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Refusal(400, 'the body is not UTF-8');
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, 'the body is not JSON');
  }
}

function eventComplaint(event, webhook) {
  if (!isObject(event)) return 'the body is not a JSON object';
  if (tooDeep(event)) return `nested deeper than ${MAX_DEPTH} levels`;
  if (typeof event.eventName !== 'string') return 'eventName is missing or no text';
  if (!webhook.names.has(event.eventName)) return 'this eventName is not known';
  return webhook.complaint(event);
}

function orderComplaint(event) {
  return 'shipment' in event ? 'a shipment at the address of orders' : null;
}

function shipmentComplaint(event) {
  return isObject(event.shipment) ? null : 'shipment is missing or no object';
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function tooDeep(event) {
  let level = [event];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MAX_DEPTH) return true;
    level = level.flatMap((one) => Object.values(one)).filter((one) => typeof one === 'object' && one !== null);
  }
  return false;
}

// One event after the other goes to the disk, each as one line; "stored" means that the disk has it.
let last = Promise.resolve();

function store(line) {
  const stored = last.then(() => append(line));
  last = stored.catch(() => {});
  return stored;
}

async function append(line) {
  try {
    const file = await open(EVENTS_FILE, 'a');
    try {
      const { size } = await file.stat();
      try {
        await file.appendFile(line);
        await file.sync();
      } catch (error) {
        await file.truncate(size); // no half line: the next event has to begin on a line of its own
        throw error;
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    console.error(`cannot store an event: ${error.message}`);
    // Tradecloud comes again after 503. After a 500 it would not.
    throw new Refusal(503, 'events cannot be stored at the moment', { 'Retry-After': '30' });
  }
}

function answer(response, status, content, headers = {}) {
  const text = JSON.stringify(content);
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text), ...headers });
  response.end(text);
}

async function handle(request, response) {
  try {
    await receive(request);
    answer(response, 202, { status: 'queued' });
  } catch (error) {
    if (error instanceof Refusal) {
      answer(response, error.status, { error: error.message }, error.headers);
    } else if (!response.destroyed) {
      console.error(error);
      answer(response, 500, { error: 'a fault of this receiver' });
    }
  }
}

function setting(name) {
  const value = process.env[name];
  if (!value) {
    console.error(`set the environment variable ${name}`);
    process.exit(1);
  }
  return value;
}

const server = createServer(
  { cert: readFileSync(setting('TLS_CERT')), key: readFileSync(setting('TLS_KEY')), maxHeaderSize: 64 * 1024 },
  handle,
);
server.on('clientError', (error, socket) => {
  // Without this Node answers 408 to a slow sender, and a 408 loses the event.
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' || !socket.writable) socket.destroy();
  else socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
});
server.listen(PORT, '127.0.0.1', () => console.log(`listening on https://localhost:${PORT}`));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
