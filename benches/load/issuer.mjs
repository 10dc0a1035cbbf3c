// An issuer of tokens for unknown_kid.sh: publishes an RSA key on loopback, writes a good token and many with a `kid` that it has
// never published, and serves until it is ended. GET /fetches tells how often its keys were asked for.
//
//   node issuer.mjs FOLDER TOKENS
import { createServer } from "node:http";
import { createSign, generateKeyPairSync, randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";

const [folder, count] = process.argv.slice(2);
const issuer = "https://load.example";
const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const keys = [{ ...publicKey.export({ format: "jwk" }), kid: "known", alg: "RS256", use: "sig" }];
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

function token(kid) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: issuer, sub: "alice", aud: "keyward", iat: now, exp: now + 3600, jti: randomUUID() };
  const signed = `${encode({ alg: "RS256", kid })}.${encode(claims)}`;
  return `${signed}.${createSign("RSA-SHA256").update(signed).sign(privateKey, "base64url")}`;
}

let fetches = 0;
const server = createServer((request, response) => {
  response.setHeader("content-type", "application/json");
  if (request.url === "/fetches") return response.end(String(fetches));
  fetches += 1;
  response.end(JSON.stringify({ keys }));
});
server.listen(0, "127.0.0.1", () => {
  const table = { issuer, audience: ["keyward"], key_set: `http://127.0.0.1:${server.address().port}/keys` };
  const lines = Object.entries(table).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  writeFileSync(`${folder}/known`, token("known") + "\n");
  writeFileSync(`${folder}/unknown`, Array.from({ length: Number(count) }, () => token(randomUUID()) + "\n").join(""));
  writeFileSync(`${folder}/fetches_at`, `http://127.0.0.1:${server.address().port}/fetches`);
  writeFileSync(`${folder}/issuer.toml`, `[[jwt.issuers]]\n${lines.join("\n")}\n`); // the last: it is waited for
});
