"""What schemathesis needs to know of Keyward and no OpenAPI document can say."""

import base64
import datetime
import os
import uuid

import requests
import schemathesis
from hypothesis import strategies as st

URL = os.environ["KEYWARD_URL"]
AS_ADMINISTRATOR = {"Authorization": f"Bearer {os.environ['KEYWARD_TOKEN']}"}


def owner_id(issuer, subject):
    """The word for an owner, as the service makes it."""
    return base64.urlsafe_b64encode(f"{issuer}\0{subject}".encode()).rstrip(b"=").decode()


def new_key():
    """A key of an owner whom nothing else knows, so no other request can have ended it."""
    new_key = {"owner": {"subject": uuid.uuid4().hex}, "scopes": ["keyward:verify"]}
    answer = requests.post(f"{URL}/v1/admin/keys", json=new_key, headers=AS_ADMINISTRATOR, timeout=30)
    answer.raise_for_status()
    return answer.json()["apiKey"]


def cursor(path):
    """A cursor that a list has given: they are sealed, so nobody can make one up."""
    new_key(), new_key()
    answer = requests.get(f"{URL}{path}?limit=1", headers=AS_ADMINISTRATOR, timeout=30)
    return answer.json()["nextCursor"]


def cursor_of_plans():
    """The same for plans, of which there must be two."""
    for name in ["a", "b"]:
        answer = requests.put(f"{URL}/v1/admin/plans/{name}", json={}, headers=AS_ADMINISTRATOR, timeout=30)
        answer.raise_for_status()
    return cursor("/v1/admin/plans")


NOW = datetime.datetime.now()
schemathesis.openapi.format("cursor-of-keys", st.just(cursor("/v1/admin/keys")))
schemathesis.openapi.format("cursor-of-events", st.just(cursor("/v1/admin/audit")))
schemathesis.openapi.format("cursor-of-owners", st.just(cursor("/v1/admin/owners")))
schemathesis.openapi.format("cursor-of-plans", st.just(cursor_of_plans()))
schemathesis.openapi.format("actor", st.one_of(st.just("command_line"), st.uuids().map(lambda it: owner_id("", str(it)))))
schemathesis.openapi.format("owner-id", st.uuids().map(lambda it: owner_id("", str(it))))
schemathesis.openapi.format("ip-network", st.ip_addresses().map(lambda it: f"{it}/{it.max_prefixlen // 2}"))
schemathesis.openapi.format("entity-tags", st.sampled_from(["*", '"1"', '"1", "2"', 'W/"1"', '"no-version"']))
# Ends of lives must be in the future.
schemathesis.openapi.format(
    "date-time",
    st.datetimes(min_value=NOW + datetime.timedelta(days=1), timezones=st.just(datetime.timezone.utc)).map(
        lambda it: it.isoformat()
    ),
)
# 22 base62 digits hold somewhat more than the 128 bits of an id; the last of those that fit begins with a 7.
schemathesis.openapi.format("key-id", st.from_regex(r"[0-6][0-9A-Za-z]{21}", fullmatch=True))


WITH_A_KEY = ["/api/protected-resource", "/v1/keys/self"]


@schemathesis.auth(refresh_interval=None).apply_to(path=WITH_A_KEY)
class FreshKey:
    """A new key for each request that carries one: some of them end it."""

    def get(self, case, context):
        return new_key()

    def set(self, case, data, context):
        case.headers["x-api-key"] = data


@schemathesis.auth(refresh_interval=None).skip_for(path=WITH_A_KEY)
class Token:
    """The administrator's token for all others."""

    def get(self, case, context):
        return AS_ADMINISTRATOR["Authorization"]

    def set(self, case, data, context):
        case.headers["Authorization"] = data


@schemathesis.hook
def filter_headers(context, headers):
    """HTTP takes white space off both ends (RFC 9110, 5.5), so what is ill-formed by it arrives well-formed."""
    return all(not isinstance(value, str) or value == value.strip() for value in (headers or {}).values())


def settle(query):
    """Parameters that are each well-formed, and contradict each other."""
    if "owner" in query or "subject" not in query:
        query.pop("issuer", None)
    if "owner" in query:
        query.pop("subject", None)
    # Keys of all owners have one order, and a cursor is a place in one.
    if not {"owner", "subject"} & set(query) and "createdAt" not in str(query.get("sort", "createdAt")):
        query.pop("sort")
    if "sort" in query:
        query.pop("cursor", None)
    if "from" in query:
        query.pop("to", None)


@schemathesis.hook
def before_call(context, case, kwargs):
    """What the document cannot forbid to well-formed requests: a word or an instant that comes too late."""
    # Lists name the administrator, too, who would have no rights any more.
    if case.path_parameters and case.path_parameters.get("id") == owner_id("", "contract"):
        case.path_parameters["id"] = owner_id("", uuid.uuid4().hex)
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    settle(case.query or {})
    # An Idempotency-Key that came before with another body is refused.
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
    # The reason of a revoke stands in one place.
    if case.method.upper() == "DELETE" and isinstance(case.body, dict) and case.query:
        case.query.pop("reason", None)
    # What has been revoked was issued in the past.
    if isinstance(case.body, dict) and isinstance(case.body.get("notBefore"), str):
        case.body["notBefore"] = "2026-01-01T00:00:00Z"
    # Lives end in the future; instants of earlier answers are over.
    if isinstance(case.body, dict) and isinstance(case.body.get("expiresAt"), str):
        end = datetime.datetime.fromisoformat(case.body["expiresAt"].upper().replace("Z", "+00:00"))
        if end < datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=1):
            case.body["expiresAt"] = "2100-01-01T00:00:00Z"


@schemathesis.check
def missing_token_is_403_in_the_guide(ctx, response, case):
    """In place of `missing_required_header`, which knows only 401, for the one route where 403 was promised."""
    if case.operation.label == "POST /api/create-api-key" and "Authorization" not in response.request.headers:
        assert response.status_code == 403, f"the compatibility routes say 403, not {response.status_code}"


REVOKED = set()


@schemathesis.check
def deleted_key_stays_revoked(ctx, response, case):
    """In place of `use_after_free`, which knows only 404: a deleted key is never seen in any other state again."""
    if response.status_code >= 300 or not response.headers.get("content-type", [""])[0].startswith("application/json"):
        return
    answer = response.json()
    if not isinstance(answer, dict):
        return
    if case.method.upper() == "DELETE":
        REVOKED.add(answer["id"])
    for key in [answer, *answer.get("keys", [])]:
        if isinstance(key, dict) and "state" in key and key.get("id") in REVOKED:
            assert key["state"] == "revoked", f"the key {key['id']} was deleted, and is {key['state']}"
