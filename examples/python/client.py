"""Makes a key with a JWT, calls a protected API with it, and revokes it. Needs nothing but Python 3.9.

    KEYWARD_URL=http://127.0.0.1:3000 TOKEN=eyJ… API_URL=http://127.0.0.1:8080 python3 client.py
"""

import json
import os
import time
import urllib.error
import urllib.request
import uuid

ATTEMPTS = 5
# Whoever asks for a longer wait is asked again later, by somebody else.
LONGEST_WAIT = 30.0
TIMEOUT = 10.0


class Refused(Exception):
    """The server has decided, and asking again would not change it."""

    def __init__(self, status, problem):
        super().__init__(f"{status} {problem.get('code', 'unknown')}")
        self.status = status
        self.code = problem.get("code")


class Unavailable(Exception):
    """The server could not decide, in all attempts."""


def ask(method, url, headers, body=None):
    """The answer's JSON. Waits and asks again on 503, and when there is no answer; so only for what may be repeated."""
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers = {**headers, "Content-Type": "application/json"}
    for attempt in range(ATTEMPTS):
        wait = 0.1 * 2**attempt
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 503:
                # 401: no good key any more, get another one. 403: a good key, which may not do this.
                raise Refused(error.code, problem_of(error)) from None
            if error.headers.get("Retry-After", "").isdigit():
                wait = float(error.headers["Retry-After"])
        except OSError:
            pass  # not reached, or broken amid the answer
        if attempt + 1 < ATTEMPTS:
            time.sleep(min(wait, LONGEST_WAIT))
    raise Unavailable(f"{method} {url}: no answer in {ATTEMPTS} attempts")


def problem_of(error):
    """What a refusal says, if it is one of Keyward's and not of something in between."""
    try:
        return json.load(error)
    except ValueError:
        return {}


def make_key(keyward, token, scopes):
    """A new key. However often this has to ask, one key is made: Idempotency-Key says that it is the same wish."""
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid.uuid4())}
    return ask("POST", f"{keyward}/v1/keys", headers, {"name": "example", "scopes": scopes})


def revoke(keyward, token, key_id):
    """When this returns, no replica accepts the key any more."""
    return ask("DELETE", f"{keyward}/v1/keys/{key_id}", {"Authorization": f"Bearer {token}"})


def main():
    keyward, api, token = os.environ["KEYWARD_URL"], os.environ["API_URL"], os.environ["TOKEN"]
    key = make_key(keyward, token, ["orders:read"])
    # Where a key would be kept; it is shown only this once.
    headers = {"x-api-key": key["apiKey"]}
    print("made a key")
    try:
        print("my orders:", ask("GET", f"{api}/orders", headers)["orders"])
        try:
            ask("POST", f"{api}/orders", headers)
        except Refused as refused:
            print("placing an order:", refused)
    finally:
        revoke(keyward, token, key["id"])
        print("revoked the key")
    try:
        ask("GET", f"{api}/orders", headers)
    except Refused as refused:
        print("my orders:", refused)


if __name__ == "__main__":
    main()
