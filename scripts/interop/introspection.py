"""A resource server that knows nothing of Keyward but its address and RFC 8414, 7662 and 7009, by the library `Authlib`."""

import json
import pathlib
import sys
import urllib.request

from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

SERVER, TOKENS = sys.argv[1:]
PATIENCE = 30


def make_key(token, name, scopes):
    headers = {"authorization": "Bearer " + token, "content-type": "application/json"}
    body = json.dumps({"name": name, "scopes": scopes}).encode()
    request = urllib.request.Request(SERVER + "/v1/keys", body, headers)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)["apiKey"]


with urllib.request.urlopen(SERVER + "/.well-known/oauth-authorization-server", timeout=PATIENCE) as answer:
    metadata = AuthorizationServerMetadata(json.load(answer))
metadata.validate_introspection_endpoint_auth_methods_supported()
metadata.validate_revocation_endpoint_auth_methods_supported()
assert "client_secret_basic" in metadata["introspection_endpoint_auth_methods_supported"]

token = json.loads(pathlib.Path(TOKENS).read_text())[0]["token"]
resource_server = OAuth2Session(
    client_id="orders",
    client_secret=make_key(token, "resource server", ["keyward:verify"]),
    token_endpoint_auth_method="client_secret_basic",
    revocation_endpoint_auth_method="client_secret_basic",
)


def introspect(credential):
    answer = resource_server.introspect_token(metadata["introspection_endpoint"], token=credential, timeout=PATIENCE)
    answer.raise_for_status()
    return answer.json()


key = make_key(token, "customer", ["orders:read"])
failures = 0
for what, seen, expected in [
    ("a key", introspect(key), {"active": True, "scope": "orders:read", "sub": "bob"}),
    ("a token", introspect(token), {"active": True, "sub": "bob", "token_type": "Bearer"}),
    ("nonsense", introspect("nonsense"), {"active": False}),
    (
        "a revocation",
        {"status": resource_server.revoke_token(metadata["revocation_endpoint"], token=key, timeout=PATIENCE).status_code},
        {"status": 200},
    ),
    ("the key after it", introspect(key), {"active": False}),
]:
    good = expected.items() <= seen.items() and (seen.get("active") is not False or seen == {"active": False})
    failures += not good
    print(f"authlib {what}: {seen} {'ok' if good else 'WRONG'}")
sys.exit(1 if failures else 0)
