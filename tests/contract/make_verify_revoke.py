"""Makes, verifies and revokes a key through the client that was generated from the document."""

import os
import sys

from keyward_client import AuthenticatedClient
from keyward_client.api.checks import verify_keys
from keyward_client.api.keys import create_key, revoke_key, show_key
from keyward_client.models import CreatedKey, Environment, Key, NewKey, OneQuestion, RevokedKey, Verification


def expect(truth, what):
    if not truth:
        sys.exit(f"make_verify_revoke.py: {what}")
    print(f"ok: {what}")


client = AuthenticatedClient(base_url=os.environ["KEYWARD_URL"], token=os.environ["KEYWARD_TOKEN"])

order = NewKey(name="generated client", scopes=["orders:read"], environment=Environment.TEST)
made = create_key.sync(client=client, body=order)
expect(isinstance(made, CreatedKey) and made.api_key.startswith("keyward_test_"), "a key is made")

question = OneQuestion(key=made.api_key, scopes=["orders:read"])
good = verify_keys.sync(client=client, body=question)
expect(isinstance(good, Verification) and good.valid and good.key_id == made.id, "it is verified")

shown = show_key.sync(made.id, client=client)
expect(isinstance(shown, Key) and shown.name == "generated client", "it is shown")

revoked = revoke_key.sync(made.id, client=client, reason="the script is done")
expect(isinstance(revoked, RevokedKey) and revoked.id == made.id, "it is revoked")

refused = verify_keys.sync(client=client, body=question)
expect(isinstance(refused, Verification) and not refused.valid and refused.code == "revoked", "it is refused from then on")
