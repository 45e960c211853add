// Verifies a spool of webhooks (internal/trial/hook) with the npm reference library of
// Standard Webhooks, each at the time when it came, and demands that every forgery of
// it is refused. Prints one line of JSON; the exit code is 1 if anything is wrong.
//
//   node verify.mjs SPOOL...
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

const faultsMax = 20;
const tooOldSeconds = 5 * 60 + 2;
const stranger = new Webhook("whsec_" + Buffer.from("nobody's secret of just 32 bytes").toString("base64"));

const counts = { deliveries: 0, verified: 0, forged: 0, refused: 0, faults: [] };
const libraries = new Map();

function library(secret) {
  if (!libraries.has(secret)) libraries.set(secret, new Webhook(secret));
  return libraries.get(secret);
}

function fault(text) {
  if (counts.faults.length < faultsMax) counts.faults.push(text);
}

function passes(webhook, body, headers) {
  try {
    webhook.verify(body, headers, { jsonParse: false });
    return true;
  } catch (error) {
    if (error.name === "WebhookVerificationError") return false;
    throw error;
  }
}

function otherSignatures(list) {
  return list
    .split(" ")
    .map((signature) => {
      const [version, code] = signature.split(",");
      return `${version},${code[0] === "A" ? "B" : "A"}${code.slice(1)}`;
    })
    .join(" ");
}

// forgeries yields the delivery as somebody else would have made it, by what differs.
function* forgeries(webhook, body, headers, atMs) {
  const other = Buffer.from(body);
  other[other.length >> 1] ^= 1;
  yield ["body", webhook, other, headers];
  yield ["id", webhook, body, { ...headers, "webhook-id": headers["webhook-id"] + "0" }];
  const later = String(Number(headers["webhook-timestamp"]) + 1);
  yield ["timestamp", webhook, body, { ...headers, "webhook-timestamp": later }];
  const signatures = otherSignatures(headers["webhook-signature"]);
  yield ["signature", webhook, body, { ...headers, "webhook-signature": signatures }];
  yield ["secret", stranger, body, headers];
  const old = new Date(atMs - tooOldSeconds * 1000);
  yield ["age", webhook, body, {
    ...headers,
    "webhook-timestamp": String(Math.floor(old.getTime() / 1000)),
    "webhook-signature": webhook.sign(headers["webhook-id"], old, body),
  }];
}

function check(line) {
  const { at_ms: atMs, headers: came, body: encoded, secrets } = JSON.parse(line);
  const headers = Object.fromEntries(Object.entries(came).map(([name, value]) => [name.toLowerCase(), value]));
  const body = Buffer.from(encoded, "base64");
  const id = headers["webhook-id"];
  Date.now = () => atMs; // the library's only clock
  counts.deliveries++;
  if (!secrets?.length) return fault(`${id}: no secret verifies it`);
  let verified = true;
  for (const secret of secrets) {
    const webhook = library(secret);
    if (!passes(webhook, body, headers)) {
      verified = false;
      fault(`${id}: the library refuses it`);
      continue;
    }
    for (const [what, by, forged, forgedHeaders] of forgeries(webhook, body, headers, atMs)) {
      counts.forged++;
      if (passes(by, forged, forgedHeaders)) fault(`${id}: the library takes it with another ${what}`);
      else counts.refused++;
    }
  }
  if (verified) counts.verified++;
}

for (const spool of process.argv.slice(2)) {
  for await (const line of createInterface({ input: createReadStream(spool), crlfDelay: Infinity })) check(line);
}
if (counts.deliveries === 0) fault("nothing was delivered");
console.log(JSON.stringify(counts));
process.exitCode = counts.faults.length > 0 ? 1 : 0;
