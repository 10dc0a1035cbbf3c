// Makes a key with a JWT, calls a protected API with it, and revokes it. Needs nothing but Node 18.
//
//   KEYWARD_URL=http://127.0.0.1:3000 TOKEN=eyJ… API_URL=http://127.0.0.1:8080 node client.mjs

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const ATTEMPTS = 5;
// Whoever asks for a longer wait is asked again later, by somebody else.
const LONGEST_WAIT_MS = 30_000;
const TIMEOUT_MS = 10_000;

/** The server has decided, and asking again would not change it. */
class Refused extends Error {
  constructor(status, problem) {
    super(`${status} ${problem.code ?? "unknown"}`);
    this.status = status;
    this.code = problem.code;
  }
}

/** The answer's JSON. Waits and asks again on 503, and when there is no answer; so only for what may be repeated. */
async function ask(method, url, headers, body) {
  if (body !== undefined) headers = { ...headers, "Content-Type": "application/json" };
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    let wait = 100 * 2 ** attempt;
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const answer = await fetch(url, { method, headers, body: JSON.stringify(body), signal });
      if (answer.ok) return await answer.json();
      // 401: no good key any more, get another one. 403: a good key, which may not do this.
      if (answer.status !== 503) {
        // Empty, if it isn't one of Keyward's but of something in between.
        throw new Refused(answer.status, await answer.json().catch(() => ({})));
      }
      await answer.body?.cancel();
      const seconds = answer.headers.get("Retry-After") ?? "";
      if (/^\d+$/.test(seconds)) wait = seconds * 1000;
    } catch (error) {
      // Anything else means: not reached, or broken amid the answer.
      if (error instanceof Refused) throw error;
    }
    if (attempt + 1 < ATTEMPTS) await sleep(Math.min(wait, LONGEST_WAIT_MS));
  }
  throw new Error(`${method} ${url}: no answer in ${ATTEMPTS} attempts`);
}

/** A new key. However often this has to ask, one key is made: Idempotency-Key says that it is the same wish. */
function makeKey(keyward, token, scopes) {
  const headers = { Authorization: `Bearer ${token}`, "Idempotency-Key": randomUUID() };
  return ask("POST", `${keyward}/v1/keys`, headers, { name: "example", scopes });
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

const { KEYWARD_URL: keyward, API_URL: api, TOKEN: token } = process.env;
const key = await makeKey(keyward, token, ["orders:read"]);
// Where a key would be kept; it is shown only this once.
const headers = { "x-api-key": key.apiKey };
console.log("made a key");
try {
  console.log("my orders:", JSON.stringify((await ask("GET", `${api}/orders`, headers)).orders));
  console.log("placing an order:", await ask("POST", `${api}/orders`, headers).catch(refusal));
} finally {
  await revoke(keyward, token, key.id);
  console.log("revoked the key");
}
console.log("my orders:", await ask("GET", `${api}/orders`, headers).catch(refusal));
