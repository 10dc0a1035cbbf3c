// Makes a key with a JWT, calls a protected API with it, and revokes it. Needs nothing but Node 18.
//
//   KEYWARD_URL=http://127.0.0.1:3000 TOKEN=eyJ… API_URL=http://127.0.0.1:8080 node client.mjs

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const ATTEMPTS = 5;
// After which an answer counts as lost.
const TIMEOUT_MS = 1000 * (process.env.TIMEOUT ?? 10);
// A server that asks for a longer wait is asked again later, by the caller.
const LONGEST_WAIT_MS = 30_000;
// Asking twice does the same as asking once (RFC 9110, section 9.2.2).
const IDEMPOTENT = ["GET", "HEAD", "PUT", "DELETE"];

/** The server has decided, and asking again would not change that. */
class Refused extends Error {
  constructor(status, problem) {
    super(`${status} ${problem.code ?? "unknown"}`);
    this.status = status;
    this.code = problem.code;
  }
}

/** The server has done nothing, and is to be asked again after so many milliseconds. */
class NotNow extends Error {
  constructor(status, wait) {
    super(`${status}, try again in ${Math.ceil(wait / 1000)} s`);
    this.wait = wait;
  }
}

/** No answer came, or only a part of one. Whether the server has done it is unknown. */
class Lost extends Error {}

/**
 * The answer's JSON. Asks again where that can do no harm: always when the server has done nothing, and when an answer
 * was lost only if it was an idempotent request.
 */
async function ask(method, url, headers, body) {
  const mayRepeat = IDEMPOTENT.includes(method) || "Idempotency-Key" in headers;
  if (body !== undefined) headers = { ...headers, "Content-Type": "application/json" };
  for (let attempt = 1; ; attempt++) {
    // Twice as long each time, and not in step with everybody else.
    let wait = (50 + 50 * Math.random()) * 2 ** attempt;
    try {
      return await askOnce(method, url, headers, JSON.stringify(body));
    } catch (error) {
      const again = error instanceof NotNow ? error.wait <= LONGEST_WAIT_MS : error instanceof Lost && mayRepeat;
      if (!again || attempt === ATTEMPTS) throw error;
      wait = Math.max(wait, error.wait ?? 0);
    }
    await sleep(wait);
  }
}

async function askOnce(method, url, headers, body) {
  let status, retryAfter, text;
  try {
    const answer = await fetch(url, { method, headers, body, signal: AbortSignal.timeout(TIMEOUT_MS) });
    ({ status } = answer);
    retryAfter = answer.headers.get("Retry-After") ?? "";
    text = await answer.text();
  } catch (error) {
    // Not reached, too slow, cut off, or no HTTP. A refusal that was cut off after its status is one nevertheless.
    if (status === undefined || status < 400) throw new Lost(`${method} ${url}: ${error.cause?.code ?? error.message}`);
  }
  if (status === 429 || status === 503) throw new NotNow(status, milliseconds(retryAfter));
  // Of a proxy that got no answer, for instance.
  if (status >= 500) throw new Lost(`${method} ${url}: ${status}`);
  const json = parsed(text);
  // 401: no good key any more, get another one. 403: a good key, which may not do this.
  if (status >= 400) throw new Refused(status, json ?? {});
  if (json === undefined) throw new Lost(`${method} ${url}: an answer that is no JSON`);
  return json;
}

/** How long to wait, which the server may have told as a date (RFC 9110, section 10.2.3). */
function milliseconds(retryAfter) {
  if (/^\d+$/.test(retryAfter)) return 1000 * retryAfter;
  return Math.max(0, (Date.parse(retryAfter) || 0) - Date.now());
}

/** Undefined, if it isn't one of Keyward's answers but of something in between. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * A new key with its secret. No other key that works is left behind.
 *
 * A retry makes no second key, because Idempotency-Key says that it is the same request. But only the first answer has
 * the secret. If that was lost, the key is rotated: its successor has another secret, and with a grace period of 0 the
 * key ends at once. The answer to the rotation can be lost too. Then the successor is rotated.
 */
async function makeKey(keyward, token, scopes) {
  let [url, body] = [`${keyward}/v1/keys`, { name: "example", scopes }];
  let key;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const headers = { Authorization: `Bearer ${token}`, "Idempotency-Key": randomUUID() };
    key = await ask("POST", url, headers, body);
    if (key.apiKey !== null) return key;
    [url, body] = [`${keyward}/v1/keys/${key.id}/rotate`, { gracePeriod: 0 }];
  }
  await revoke(keyward, token, key.id);
  throw new Lost(`the first answers to a new key and to ${ATTEMPTS - 1} rotations`);
}

/** When this returns, no replica accepts the key any more. */
function revoke(keyward, token, id) {
  return ask("DELETE", `${keyward}/v1/keys/${id}`, { Authorization: `Bearer ${token}` });
}

/** What a refusal says; everything else goes on. */
function refusal(error) {
  if (error instanceof Refused) return error.message;
  throw error;
}

/** The same of an order. This API knows no Idempotency-Key, and two orders are worse than none. */
function refusalOrLoss(error) {
  return error instanceof Lost ? "unknown, the answer was lost" : refusal(error);
}

const { KEYWARD_URL: keyward, API_URL: api, TOKEN: token } = process.env;
const key = await makeKey(keyward, token, ["orders:read"]);
// Where a key would be kept; it is shown only this once.
const headers = { "x-api-key": key.apiKey };
console.log("made a key");
try {
  console.log("my orders:", JSON.stringify((await ask("GET", `${api}/orders`, headers)).orders));
  console.log("placing an order:", await ask("POST", `${api}/orders`, headers).catch(refusalOrLoss));
} finally {
  await revoke(keyward, token, key.id);
  console.log("revoked the key");
}
console.log("my orders:", await ask("GET", `${api}/orders`, headers).catch(refusal));
