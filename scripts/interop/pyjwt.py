"""Tokens of every algorithm by the library `PyJWT`, whose keys are in a key set. See scripts/interop.sh."""

import json
import os
import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PREFIX = sys.argv[1]
KEYS = []


class KeySet(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"keys": KEYS}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def private_key(algorithm):
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "ES384":
        return ec.generate_private_key(ec.SECP384R1())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def token(issuer, algorithm, key, kid=None):
    now = int(time.time())
    claims = {"iss": issuer, "sub": "bob", "aud": ["other", "keyward"], "iat": now, "exp": now + 3600}
    claims["scope"] = "orders:read keyward:verify"
    return {"alg": algorithm, "token": jwt.encode(claims, key, algorithm, headers={"kid": kid} if kid else None)}


def write(suffix, text):
    with open(os.open(PREFIX + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


server = HTTPServer(("127.0.0.1", 0), KeySet)
issuer = "https://pyjwt.example"
tokens = []
for algorithm in "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 EdDSA".split():
    key, kid = private_key(algorithm), "pyjwt-" + algorithm
    jwk = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    KEYS.append({**jwk, "kid": kid, "use": "sig"})
    tokens.append(token(issuer, algorithm, key, kid))
secret = secrets.token_hex(48)
for algorithm in ("HS256", "HS384", "HS512"):
    tokens.append(token("urn:pyjwt", algorithm, secret))

write(".secret", secret)
write(
    ".toml",
    f'[[jwt.issuers]]\nissuer = "{issuer}"\naudience = ["keyward"]\nkeyward_scopes = ["keyward:verify"]\n'
    f'key_set = "http://127.0.0.1:{server.server_port}/keys"\n'
    f'[[jwt.issuers]]\nissuer = "urn:pyjwt"\naudience = ["keyward"]\nkeyward_scopes = ["keyward:verify"]\n'
    f'secret_file = "{PREFIX}.secret"\n',
)
write(".tokens.json", json.dumps(tokens))
server.serve_forever()
