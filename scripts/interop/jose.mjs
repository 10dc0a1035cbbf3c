// Tokens of every algorithm by the library `jose`, whose keys are found by discovery. See scripts/interop.sh.
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { randomBytes } from "node:crypto";
import { SignJWT, exportJWK, generateKeyPair } from "jose";

const prefix = process.argv[2];
const pairs = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 EdDSA Ed25519".split(" ");
const keys = [];

const server = createServer((request, response) => {
  const issuer = `http://${request.headers.host}`;
  const discovery = { issuer, jwks_uri: `${issuer}/keys` };
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(request.url === "/keys" ? { keys } : discovery));
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const token = (iss, header, key) =>
  new SignJWT({ scope: "read write" })
    .setProtectedHeader(header)
    .setIssuer(iss)
    .setSubject("alice")
    .setAudience("keyward")
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(key);

const tokens = [];
for (const alg of pairs) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  keys.push({ ...(await exportJWK(publicKey)), kid: `jose-${alg}`, use: "sig", alg });
  tokens.push({ alg, token: await token(issuer, { alg, kid: `jose-${alg}`, typ: "at+jwt" }, privateKey) });
}
const secret = randomBytes(48).toString("hex");
for (const alg of ["HS256", "HS384", "HS512"]) {
  tokens.push({ alg, token: await token("urn:jose", { alg, typ: "JWT" }, new TextEncoder().encode(secret)) });
}

writeFileSync(`${prefix}.secret`, secret, { mode: 0o600 });
writeFileSync(
  `${prefix}.toml`,
  `[[jwt.issuers]]\nissuer = "${issuer}"\naudience = ["keyward"]\nkeyward_scopes = ["keyward:verify"]\ndiscovery = true\nat_jwt = true\n` +
    `[[jwt.issuers]]\nissuer = "urn:jose"\naudience = ["keyward"]\nkeyward_scopes = ["keyward:verify"]\n` +
    `secret_file = "${prefix}.secret"\n`,
);
writeFileSync(`${prefix}.tokens.json`, JSON.stringify(tokens));
