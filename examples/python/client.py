"""Makes a key with a JWT, calls a protected API with it, and revokes it. Needs nothing but Python 3.9.

    KEYWARD_URL=http://127.0.0.1:3000 TOKEN=eyJ… API_URL=http://127.0.0.1:8080 python3 client.py
"""

import email.utils
import http.client
import json
import os
import random
import time
import urllib.error
import urllib.request
import uuid

ATTEMPTS = 5
# Seconds without a byte after which an answer counts as lost.
TIMEOUT = float(os.environ.get("TIMEOUT", "10"))
# A server that asks for a longer wait is asked again later, by the caller.
LONGEST_WAIT = 30.0
# Asking twice does the same as asking once (RFC 9110, section 9.2.2).
IDEMPOTENT = {"GET", "HEAD", "PUT", "DELETE"}


class Refused(Exception):
    """The server has decided, and asking again would not change that."""

    def __init__(self, status, problem):
        super().__init__(f"{status} {problem.get('code', 'unknown')}")
        self.status = status
        self.code = problem.get("code")


class NotNow(Exception):
    """The server has done nothing, and is to be asked again after so many seconds."""

    def __init__(self, status, seconds):
        super().__init__(f"{status}, try again in {seconds:.0f} s")
        self.seconds = seconds


class Lost(Exception):
    """No answer came, or only a part of one. Whether the server has done it is unknown."""


def ask(method, url, headers, body=None):
    """The answer's JSON. Asks again where that can do no harm: always when the server has done nothing, and when an
    answer was lost only if it was an idempotent request."""
    may_repeat = method in IDEMPOTENT or "Idempotency-Key" in headers
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers = {**headers, "Content-Type": "application/json"}
    for attempt in range(1, ATTEMPTS + 1):
        # Twice as long each time, and not in step with everybody else.
        wait = random.uniform(0.05, 0.1) * 2**attempt
        try:
            return ask_once(method, url, headers, data)
        except NotNow as answer:
            if attempt == ATTEMPTS or answer.seconds > LONGEST_WAIT:
                raise
            wait = max(wait, answer.seconds)
        except Lost:
            if attempt == ATTEMPTS or not may_repeat:
                raise
        time.sleep(wait)


def ask_once(method, url, headers, data):
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        if error.code in (429, 503):
            raise NotNow(error.code, retry_after(error)) from None
        if error.code >= 500:
            # Of a proxy that got no answer, for instance.
            raise Lost(f"{method} {url}: {error.code}") from None
        # 401: no good key any more, get another one. 403: a good key, which may not do this.
        raise Refused(error.code, problem_of(error)) from None
    except (OSError, http.client.HTTPException) as error:
        # Not reached, too slow, cut off, or no HTTP.
        raise Lost(f"{method} {url}: {error or type(error).__name__}") from None
    try:
        return json.loads(text)
    except ValueError:
        raise Lost(f"{method} {url}: an answer that is no JSON") from None


def retry_after(answer):
    """Seconds, which the server may have told as a date (RFC 9110, section 10.2.3)."""
    text = answer.headers.get("Retry-After", "")
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def problem_of(error):
    """What a refusal says, if it is one of Keyward's and not of something in between."""
    try:
        return json.load(error)
    except (OSError, http.client.HTTPException, ValueError):
        return {}


def make_key(keyward, token, scopes):
    """A new key with its secret. No other key that works is left behind.

    A retry makes no second key, because Idempotency-Key says that it is the same request. But only the first answer
    has the secret. If that was lost, the key is rotated: its successor has another secret, and with a grace period of 0
    the key ends at once. The answer to the rotation can be lost too. Then the successor is rotated.
    """
    url, body = f"{keyward}/v1/keys", {"name": "example", "scopes": scopes}
    for _ in range(ATTEMPTS):
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid.uuid4())}
        key = ask("POST", url, headers, body)
        if key["apiKey"] is not None:
            return key
        url, body = f"{keyward}/v1/keys/{key['id']}/rotate", {"gracePeriod": 0}
    revoke(keyward, token, key["id"])
    raise Lost(f"the first answers to a new key and to {ATTEMPTS - 1} rotations")


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
        except Lost:
            # This API knows no Idempotency-Key, and two orders are worse than none.
            print("placing an order: unknown, the answer was lost")
    finally:
        revoke(keyward, token, key["id"])
        print("revoked the key")
    try:
        ask("GET", f"{api}/orders", headers)
    except Refused as refused:
        print("my orders:", refused)


if __name__ == "__main__":
    main()
