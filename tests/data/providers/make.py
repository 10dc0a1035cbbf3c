#!/usr/bin/env python3
"""Makes the documents of the providers anew, with new keys: discovery documents and key sets in the form in which each
provider publishes them. Needs Python 3 and openssl.

    python3 tests/data/providers/make.py

The keys are used nowhere else; their private halves are in keys.json, for the tests to sign with.
"""

import base64
import hashlib
import json
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
PRIVATE = {}


def openssl(*arguments, data=b""):
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """A key pair with a certificate of its own, known by a name within the tests."""

    def __init__(self, name, kind="RSA"):
        algorithm = {
            "RSA": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            "P-256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            "P-384": ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            "P-521": ["EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
        }[kind]
        self.kind, self.pem = kind, openssl("genpkey", "-algorithm", *algorithm)
        der = openssl("pkcs8", "-topk8", "-nocrypt", "-outform", "DER", data=self.pem)
        PRIVATE[name] = {"kind": kind, "pkcs8": base64.b64encode(der).decode()}
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.pem)
            file.flush()
            certificate = ["req", "-x509", "-new", "-key", file.name, "-subj", f"/CN={name}.example", "-days", "3650"]
            self.certificate = openssl(*certificate)
            self.certificate_der = openssl("x509", "-outform", "DER", data=self.certificate)

    def public(self, java=False):
        """The members that say which key it is. As Java's `BigInteger` writes a number, it has a zero in front."""
        if self.kind == "RSA":
            modulus = openssl("rsa", "-noout", "-modulus", data=self.pem).decode().strip().split("=")[1]
            return {"n": b64url((b"\0" if java else b"") + bytes.fromhex(modulus)), "e": "AQAB"}
        point = openssl("pkey", "-pubout", "-outform", "DER", data=self.pem)
        length = {"P-256": 32, "P-384": 48, "P-521": 66}[self.kind]
        return {"crv": self.kind, "x": b64url(point[-2 * length : -length]), "y": b64url(point[-length:])}

    def x5c(self):
        return [base64.b64encode(self.certificate_der).decode()]

    def x5t(self):
        return b64url(hashlib.sha1(self.certificate_der).digest())

    def x5t256(self):
        return b64url(hashlib.sha256(self.certificate_der).digest())

    def public_pem(self):
        return openssl("pkey", "-pubout", data=self.pem).decode()


def write(provider, documents):
    """`documents` by address, as the provider answers there."""
    folder = HERE / provider
    folder.mkdir(exist_ok=True)
    (folder / "documents.json").write_text(json.dumps(documents, indent=2) + "\n")


def auth0():
    base, keys = "https://example.eu.auth0.com", [Key("auth0"), Key("auth0-next")]
    kids = ["NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg", "rfZ7q2bWl0Ml7kFhVrb0P"]
    write("auth0", {
        f"{base}/.well-known/openid-configuration": {
            "issuer": f"{base}/",
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/oauth/token",
            "device_authorization_endpoint": f"{base}/oauth/device/code",
            "userinfo_endpoint": f"{base}/userinfo",
            "mfa_challenge_endpoint": f"{base}/mfa/challenge",
            "jwks_uri": f"{base}/.well-known/jwks.json",
            "registration_endpoint": f"{base}/oidc/register",
            "revocation_endpoint": f"{base}/oauth/revoke",
            "scopes_supported": ["openid", "profile", "offline_access", "name", "given_name", "family_name", "nickname",
                                 "email", "email_verified", "picture", "created_at", "identities", "phone", "address"],
            "response_types_supported": ["code", "token", "id_token", "code token", "code id_token", "token id_token",
                                         "code token id_token"],
            "code_challenge_methods_supported": ["S256", "plain"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["public"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
            "claims_supported": ["aud", "auth_time", "created_at", "email", "email_verified", "exp", "family_name",
                                 "given_name", "iat", "identities", "iss", "name", "nickname", "phone_number", "picture", "sub"],
            "request_uri_parameter_supported": False,
            "request_parameter_supported": False,
            "id_token_signing_alg_values_supported": ["HS256", "RS256", "PS256"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS256", "RS384", "PS256"],
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
            "end_session_endpoint": f"{base}/oidc/logout",
        },
        f"{base}/.well-known/jwks.json": {"keys": [
            {"kty": "RSA", "use": "sig", **key.public(), "kid": kid, "x5t": key.x5t(), "x5c": key.x5c(), "alg": "RS256"}
            for key, kid in zip(keys, kids)
        ]},
    })


def cognito():
    base = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_EXAMPLE"
    domain = "https://example.auth.eu-central-1.amazoncognito.com"
    keys = [(Key("cognito-id"), "XK1dF8vTvYJgS0k7hZ5s3lT1y0tqkW2mJp4r6u8xAbE="),
            (Key("cognito-access"), "m0Yh3nQd7c2LrWzv5sPq9tUe1xKbGfJo4iMaHyDwRlI=")]
    write("cognito", {
        f"{base}/.well-known/openid-configuration": {
            "authorization_endpoint": f"{domain}/oauth2/authorize",
            "end_session_endpoint": f"{domain}/logout",
            "id_token_signing_alg_values_supported": ["RS256"],
            "issuer": base,
            "jwks_uri": f"{base}/.well-known/jwks.json",
            "response_types_supported": ["code", "token"],
            "revocation_endpoint": f"{domain}/oauth2/revoke",
            "scopes_supported": ["openid", "email", "phone", "profile"],
            "subject_types_supported": ["public"],
            "token_endpoint": f"{domain}/oauth2/token",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "userinfo_endpoint": f"{domain}/oauth2/userInfo",
        },
        f"{base}/.well-known/jwks.json": {"keys": [
            {"alg": "RS256", "e": "AQAB", "kid": kid, "kty": "RSA", "n": key.public()["n"], "use": "sig"}
            for key, kid in keys
        ]},
    })


def entra():
    base = "https://login.microsoftonline.com"
    keys = [
        (Key("entra"), "JDNa_4i4r7FgigL3sHIlI3xV-IU", f"{base}/{{tenantid}}/v2.0"),
        (Key("entra-next"), "CNv0OI3RwqlHFEVnaoMAshCH2XE", f"{base}/{{tenantid}}/v2.0"),
        # That of personal accounts alone.
        (Key("entra-personal"), "9cbqmNLsWPVCAxH_2FFl8HRtSR0", f"{base}/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"),
    ]
    write("entra", {f"{base}/common/discovery/v2.0/keys": {"keys": [
        {"kty": "RSA", "use": "sig", "kid": kid, "x5t": kid, **key.public(), "x5c": key.x5c(),
         "cloud_instance_name": "microsoftonline.com", "issuer": issuer}
        for key, kid, issuer in keys
    ]}})


def firebase():
    keys = [(Key("firebase"), "8d9befd3effcbbc82c83ad0c972c8ea978f6f137"),
            (Key("firebase-next"), "47ae49c4c9d3eb85a5254072c30d2e8e7661efe1")]
    address = "https://www.googleapis.com/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"
    write("firebase", {address: {kid: key.certificate.decode() for key, kid in keys}})


def forgerock():
    base = "https://example.forgeblocks.com:443/am/oauth2/alpha"
    rsa, encrypts = Key("forgerock"), Key("forgerock-enc")
    curves = [(Key("forgerock-es256", "P-256"), "pZSfpEq8tQPeiIe3fnnaWnnr/Zc=", "ES256"),
              (Key("forgerock-es384", "P-384"), "I4x/IijvdDsUZMghwNq2gC/7pYQ=", "ES384"),
              (Key("forgerock-es512", "P-521"), "SylLC6Njt1KGQktD9Mt+0zceQSU=", "ES512")]

    def named(key, kid, **members):
        kty = "RSA" if key.kind == "RSA" else "EC"
        return {"kty": kty, "kid": kid, **members, "x5t": key.x5t(), "x5c": key.x5c(), **key.public()}

    keys = [named(key, kid, use="sig", alg=alg) for key, kid, alg in curves]
    for alg in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]:
        keys.append(named(rsa, "wU3ifIIaLOUAReRB/FG6eM1P1QM=", use="sig", alg=alg))
    for alg in ["RSA-OAEP", "RSA-OAEP-256", "RSA1_5"]:
        keys.append(named(encrypts, "DkKMPE7hFVEn77WWhVuzaoFp4O8=", use="enc", alg=alg))
    # One name for the keys of two uses, as the setting "Include all kty and alg combinations in jwks_uri" has it.
    keys.append(named(encrypts, "wU3ifIIaLOUAReRB/FG6eM1P1QM=", use="enc", alg="RSA-OAEP-256"))
    write("forgerock", {
        f"{base}/.well-known/openid-configuration": {
            "request_parameter_supported": True,
            "claims_parameter_supported": False,
            "introspection_endpoint": f"{base}/introspect",
            "issuer": base,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/access_token",
            "userinfo_endpoint": f"{base}/userinfo",
            "jwks_uri": f"{base}/connect/jwk_uri",
            "scopes_supported": [],
            "response_types_supported": ["code", "token", "id_token", "code token id_token"],
            "subject_types_supported": ["public", "pairwise"],
            "id_token_signing_alg_values_supported": ["PS384", "RS384", "ES384", "HS256", "HS512", "ES256", "RS256", "HS384",
                                                      "ES512", "PS256", "PS512", "RS512"],
            "id_token_encryption_alg_values_supported": ["RSA-OAEP", "RSA-OAEP-256", "A128KW", "A256KW", "dir", "A192KW"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "acr_values_supported": [],
            "version": "3.0",
        },
        f"{base}/connect/jwk_uri": {"keys": keys},
    })


def google():
    keys = [(Key("google"), "b6a0d7f8c3e1495f8e2b7d4c9a6f1e3d5b8c7a90"), (Key("google-next"), "1f3e5d7c9b0a2846d8f6e4c2a0b9d7f5e3c1a864")]
    write("google", {
        "https://accounts.google.com/.well-known/openid-configuration": {
            "issuer": "https://accounts.google.com",
            "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
            "device_authorization_endpoint": "https://oauth2.googleapis.com/device/code",
            "token_endpoint": "https://oauth2.googleapis.com/token",
            "userinfo_endpoint": "https://openidconnect.googleapis.com/v1/userinfo",
            "revocation_endpoint": "https://oauth2.googleapis.com/revoke",
            "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
            "response_types_supported": ["code", "token", "id_token", "code token", "code id_token", "token id_token",
                                         "code token id_token", "none"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "email", "profile"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "claims_supported": ["aud", "email", "email_verified", "exp", "family_name", "given_name", "iat", "iss", "name",
                                 "picture", "sub"],
            "code_challenge_methods_supported": ["plain", "S256"],
            "grant_types_supported": ["authorization_code", "refresh_token",
                                      "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
        },
        "https://www.googleapis.com/oauth2/v3/certs": {"keys": [
            {"n": key.public()["n"], "kid": kid, "e": "AQAB", "kty": "RSA", "use": "sig", "alg": "RS256"} for key, kid in keys
        ]},
    })


def keycloak():
    base = "https://keycloak.example.com/realms/main"
    protocol = f"{base}/protocol/openid-connect"
    signs, encrypts = Key("keycloak"), Key("keycloak-enc")

    def named(key, kid, alg, use):
        return {"kid": kid, "kty": "RSA", "alg": alg, "use": use, "x5c": key.x5c(), "x5t": key.x5t(),
                "x5t#S256": key.x5t256(), **key.public()}

    write("keycloak", {
        f"{base}/.well-known/openid-configuration": {
            "issuer": base,
            "authorization_endpoint": f"{protocol}/auth",
            "token_endpoint": f"{protocol}/token",
            "introspection_endpoint": f"{protocol}/token/introspect",
            "userinfo_endpoint": f"{protocol}/userinfo",
            "end_session_endpoint": f"{protocol}/logout",
            "jwks_uri": f"{protocol}/certs",
            "check_session_iframe": f"{protocol}/login-status-iframe.html",
            "grant_types_supported": ["authorization_code", "client_credentials", "implicit", "password", "refresh_token"],
            "response_types_supported": ["code", "none", "id_token", "token", "id_token token", "code id_token", "code token",
                                         "code id_token token"],
            "subject_types_supported": ["public", "pairwise"],
            "id_token_signing_alg_values_supported": ["PS384", "RS384", "EdDSA", "ES384", "HS256", "HS512", "ES256", "RS256",
                                                      "HS384", "ES512", "PS256", "PS512", "RS512"],
            "scopes_supported": ["openid", "profile", "email", "roles", "offline_access", "microprofile-jwt", "web-origins"],
            "claim_types_supported": ["normal"],
            "code_challenge_methods_supported": ["plain", "S256"],
        },
        f"{protocol}/certs": {"keys": [
            named(encrypts, "0Ye1ucgeU7fU1zI5LSPyPBEcG4pBkCOeSkDqzcNDHwQ", "RSA-OAEP", "enc"),
            named(signs, "sYn8ZpTrB3hGQ1mVdW5oKxC7uJfEaL2iR6tNqPyHvDw", "RS256", "sig"),
        ]},
    })


def kubernetes():
    key = Key("kubernetes")
    write("kubernetes", {"https://kubernetes.default.svc/openid/v1/jwks": {"keys": [
        {"use": "sig", "kty": "RSA", "kid": "XBRQklg6V4uMi9zGXrC1d_gqrT4tKWKyM6iZzXKiYhQ", "alg": "RS256", **key.public()}
    ]}})


def okta():
    base = "https://example.okta.com/oauth2/default"
    key = Key("okta")
    write("okta", {
        f"{base}/.well-known/openid-configuration": {
            "issuer": base,
            "authorization_endpoint": f"{base}/v1/authorize",
            "token_endpoint": f"{base}/v1/token",
            "userinfo_endpoint": f"{base}/v1/userinfo",
            "registration_endpoint": "https://example.okta.com/oauth2/v1/clients",
            "jwks_uri": f"{base}/v1/keys",
            "response_types_supported": ["code", "id_token", "code id_token", "code token", "id_token token",
                                         "code id_token token"],
            "response_modes_supported": ["query", "fragment", "form_post", "okta_post_message"],
            "grant_types_supported": ["authorization_code", "implicit", "refresh_token", "password", "client_credentials"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "profile", "email", "address", "phone", "offline_access", "device_sso"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "client_secret_jwt",
                                                      "private_key_jwt", "none"],
            "claims_supported": ["ver", "jti", "iss", "aud", "iat", "exp", "cid", "uid", "scp", "sub"],
            "code_challenge_methods_supported": ["S256"],
            "introspection_endpoint": f"{base}/v1/introspect",
            "revocation_endpoint": f"{base}/v1/revoke",
            "end_session_endpoint": f"{base}/v1/logout",
        },
        f"{base}/v1/keys": {"keys": [
            {"kty": "RSA", "alg": "RS256", "kid": "VQeX3vtSU8iHbfq6yh1zKg9pTn4cRjWmD5aL0oEuYxs", "use": "sig", "e": "AQAB",
             "n": key.public()["n"]}
        ]},
    })


def ping():
    base = "https://sso.example.com"
    keys = [(Key("ping-es256", "P-256"), "ES256"), (Key("ping-es384", "P-384"), "ES384"), (Key("ping-es512", "P-521"), "ES512"),
            (Key("ping"), "RS256"), (Key("ping-previous"), "RS256"), (Key("ping-pending"), "RS256")]
    kids = ["nRkK8yX2dVb1mTzq", "hC5fLw0aQpG7eUsj", "Zt9oPi3vEyN6rBxd", "k1", "k0", "k2"]

    def named(key, alg, kid):
        if key.kind == "RSA":
            return {"kty": "RSA", "kid": kid, "use": "sig", "alg": alg, **key.public()}
        point = key.public()
        return {"kty": "EC", "kid": kid, "use": "sig", "alg": alg, "x": point["x"], "y": point["y"], "crv": point["crv"]}

    write("ping", {
        f"{base}/.well-known/openid-configuration": {
            "issuer": base,
            "authorization_endpoint": f"{base}/as/authorization.oauth2",
            "token_endpoint": f"{base}/as/token.oauth2",
            "revocation_endpoint": f"{base}/as/revoke_token.oauth2",
            "userinfo_endpoint": f"{base}/idp/userinfo.openid",
            "introspection_endpoint": f"{base}/as/introspect.oauth2",
            "jwks_uri": f"{base}/pf/JWKS",
            "registration_endpoint": f"{base}/as/clients.oauth2",
            "ping_end_session_endpoint": f"{base}/idp/startSLO.ping",
            "device_authorization_endpoint": f"{base}/as/device_authz.oauth2",
            "scopes_supported": ["address", "phone", "openid", "profile", "email"],
            "response_types_supported": ["code", "token", "id_token", "code token", "code id_token", "token id_token",
                                         "code token id_token"],
            "response_modes_supported": ["fragment", "fragment.jwt", "query", "query.jwt", "form_post", "form_post.jwt"],
            "subject_types_supported": ["public", "pairwise"],
            "id_token_signing_alg_values_supported": ["none", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256",
                                                      "ES384", "ES512", "PS256", "PS384", "PS512"],
            "claims_parameter_supported": False,
        },
        f"{base}/pf/JWKS": {"keys": [named(key, alg, kid) for (key, alg), kid in zip(keys, kids)]},
    })


def uaa():
    key = Key("uaa")
    write("uaa", {"https://uaa.example.com/token_keys": {"keys": [
        {"kty": "RSA", "e": "AQAB", "use": "sig", "kid": "key-id-1", "alg": "RS256", "value": key.public_pem().rstrip("\n"),
         "n": key.public(java=True)["n"]}
    ]}})


def zitadel():
    base = "https://example-x3tzq9.zitadel.cloud"
    keys = [(Key("zitadel"), "297345612983452170"), (Key("zitadel-next"), "297409832176540161")]
    write("zitadel", {
        f"{base}/.well-known/openid-configuration": {
            "issuer": base,
            "authorization_endpoint": f"{base}/oauth/v2/authorize",
            "token_endpoint": f"{base}/oauth/v2/token",
            "introspection_endpoint": f"{base}/oauth/v2/introspect",
            "userinfo_endpoint": f"{base}/oidc/v1/userinfo",
            "revocation_endpoint": f"{base}/oauth/v2/revoke",
            "end_session_endpoint": f"{base}/oidc/v1/end_session",
            "device_authorization_endpoint": f"{base}/oauth/v2/device_authorization",
            "jwks_uri": f"{base}/oauth/v2/keys",
            "scopes_supported": ["openid", "profile", "email", "phone", "address", "offline_access"],
            "response_types_supported": ["code", "id_token", "id_token token"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "grant_types_supported": ["authorization_code", "implicit", "refresh_token", "client_credentials",
                                      "urn:ietf:params:oauth:grant-type:jwt-bearer",
                                      "urn:ietf:params:oauth:grant-type:device_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
            "claims_supported": ["sub", "aud", "exp", "iat", "iss", "auth_time", "nonce", "acr", "amr", "c_hash", "at_hash",
                                 "act", "scopes", "client_id", "azp", "preferred_username", "name"],
            "code_challenge_methods_supported": ["S256"],
            "request_parameter_supported": True,
            "request_uri_parameter_supported": False,
        },
        f"{base}/oauth/v2/keys": {"keys": [
            {"use": "sig", "kty": "RSA", "kid": kid, "alg": "RS256", **key.public()} for key, kid in keys
        ]},
    })


for make in [auth0, cognito, entra, firebase, forgerock, google, keycloak, kubernetes, okta, ping, uaa, zitadel]:
    make()
(HERE / "keys.json").write_text(json.dumps(PRIVATE, indent=2) + "\n")
