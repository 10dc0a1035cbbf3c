"""Presents tokens to a running Keyward: as they are, and with one bit of each segment changed."""

import base64
import json
import pathlib
import sys
import time
import urllib.error
import urllib.request

SERVER = sys.argv[1]
PATIENCE = 30


def status(token):
    request = urllib.request.Request(SERVER + "/v1/keys", headers={"authorization": "Bearer " + token})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def settled_status(token):
    """Its issuer's keys may still be on their way, which is told by 503."""
    give_up = time.monotonic() + PATIENCE
    while (seen := status(token)) == 503 and time.monotonic() < give_up:
        time.sleep(0.1)
    return seen


def with_one_bit_changed(token, place):
    segments = token.split(".")
    data = bytearray(base64.urlsafe_b64decode(segments[place] + "=" * (-len(segments[place]) % 4)))
    data[len(data) // 2] ^= 1
    segments[place] = base64.urlsafe_b64encode(bytes(data)).rstrip(b"=").decode()
    return ".".join(segments)


failures = 0
for name in sys.argv[2:]:
    maker = pathlib.Path(name).name.split(".")[0]
    for made in json.loads(pathlib.Path(name).read_text()):
        seen = settled_status(made["token"])
        changed = [status(with_one_bit_changed(made["token"], place)) for place in range(3)]
        good = seen == 200 and changed == [401, 401, 401]
        failures += not good
        verdict = "ok" if good else "WRONG"
        print(f"{maker:6} {made['alg']:8} as it is: {seen}, header, payload, signature changed: {changed} {verdict}")
sys.exit(1 if failures else 0)
