// Who asks three replicas of Keyward, so that there is something to see: up to some 200 requests a second, by people
// with the tokens of two issuers and by programs with keys, most of them good. The issuers are here, too; the second
// one fails for a while.
//
//   node people.mjs SECONDS ISSUERS_PORT REPLICA_PORT…
import { createServer } from "node:http";
import { generateKeyPairSync, randomInt, randomUUID, sign } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const [seconds, issuersPort, ...replicas] = process.argv.slice(2).map(Number);
const PEOPLE = 40, KEYS_AT_FIRST = 150, KEYS_MAX = 400;
const began = Date.now();
// The part of the time that is over.
const part = () => (Date.now() - began) / 1000 / seconds;

// Issuers and their tokens -----------------------------------------------------------------------

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const keys = [{ ...publicKey.export({ format: "jwk" }), kid: "2026", alg: "RS256", use: "sig" }];
createServer(({ url }, response) => {
  const fails = url === "/partners" && part() > 0.45 && part() < 0.6;
  response.writeHead(fails ? 503 : 200, { "content-type": "application/json" }).end(JSON.stringify({ keys }));
}).listen(issuersPort, "127.0.0.1");

function token(subject, claims = {}, kid = "2026") {
  const now = Math.floor(Date.now() / 1000);
  const usual = { iss: "https://accounts.example", aud: "orders", iat: now, exp: now + 3600, jti: randomUUID() };
  const parts = [{ alg: "RS256", kid }, { ...usual, sub: subject, ...claims }];
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${text}.${sign("sha256", Buffer.from(text), privateKey).toString("base64url")}`;
}

// Asking -----------------------------------------------------------------------------------------

const pick = (list) => list[randomInt(list.length)];
// Some are used much, most seldom.
const popular = (list) => list[Math.floor(list.length * Math.random() ** 3)];

// What fails, fails: the dashboards show it.
async function ask(method, path, credential, body) {
  try {
    const response = await fetch(`http://127.0.0.1:${pick(replicas)}${path}`, {
      method,
      headers: { authorization: `Bearer ${credential}`, ...(body && { "content-type": "application/json" }) },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    return response.ok ? await response.json().catch(() => null) : await response.arrayBuffer().then(() => null);
  } catch {
    return null;
  }
}

const check = (credential) => ask("GET", "/v1/authorize", credential);
// The keys of programs, and those that have been revoked or have expired.
const known = [], ended = [];

async function create(person, settings = {}) {
  const made = await ask("POST", "/v1/keys", person.token, { name: "nightly import", ...settings });
  const expires = Date.now() + (settings.expiresIn ?? Infinity) * 1000;
  return made && { text: made.apiKey, id: made.id, person, expires };
}

async function createAnother(person, settings) {
  const key = known.length < KEYS_MAX && (await create(person, settings));
  if (key) known.push(key);
}

async function revoke() {
  const [key] = known.splice(randomInt(known.length), 1);
  if (await ask("DELETE", `/v1/keys/${key.id}`, key.person.token)) ended.push(key.text);
}

// [how often, what]
const HABITS = [
  [620, () => check(popular(known).text)],
  [150, (person) => check(person.token)],
  [60, () => check(limited.text)],
  [30, (person) => ask("GET", "/v1/keys", person.token)],
  [30, (person) => check((person.token = token(person.name, { iss: person.issuer })))],
  [20, () => check(`keyward_live_${"0".repeat(22)}${randomUUID().replaceAll("-", "")}`)],
  [15, () => ended.length && check(pick(ended))],
  [12, (person) => check(token(person.name, { exp: Math.floor(began / 1000) - 100 }))],
  [8, (person) => check(token(person.name, {}, "2025"))],
  [6, (person) => check(token(person.name, { aud: "invoices" }))],
  [6, (person) => ask("GET", "/v1/keys", person.token.slice(0, -4) + "AAAA")],
  [5, (person) => createAnother(person, pick([{}, { expiresIn: 60 }, { expiresIn: 3 * 86400 }]))],
  [4, () => revoke()],
];
const ALL = HABITS.reduce((sum, [often]) => sum + often, 0);

function habit() {
  let place = randomInt(ALL);
  return HABITS.find(([often]) => (place -= often) < 0)[1];
}

async function live(person) {
  while (part() < 1) {
    await habit()(person);
    // Now more, now less.
    const pause = 250 - 110 * Math.sin(part() * 11);
    await sleep(pause * 2 * Math.random());
    const expired = known.findIndex(({ expires }) => expires < Date.now());
    if (expired >= 0) ended.push(...known.splice(expired, 1).map(({ text }) => text));
  }
}

// ------------------------------------------------------------------------------------------------

const people = Array.from({ length: PEOPLE }, (_, number) => {
  const name = `person-${number}`, issuer = `https://${number % 4 ? "accounts" : "partners"}.example`;
  return { name, issuer, token: token(name, { iss: issuer }) };
});
// It is used more often than this allows.
const limits = [{ name: "minute", limit: 400, window: "1m" }];
let limited;
while (!(limited = await create(people[1], { limits }))) await sleep(500); // until they serve
for (let number = 0; number < KEYS_AT_FIRST; number++) await createAnother(pick(people));
await Promise.all(people.map(live));
process.exit(0);
