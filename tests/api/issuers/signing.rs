//! Keys that an identity provider signs with: made anew, and used without the library that Keyward uses.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
        EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
        RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

/// A key and its name.
pub(super) struct SigningKey {
    pub(super) kid: String,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    P521(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Secret(Vec<u8>),
}

impl SigningKey {
    fn of(kid: &str, pair: Pair) -> Self {
        Self { kid: kid.to_owned(), pair }
    }

    /// RSA with 2048 bits. Takes a moment.
    pub(super) fn rsa(kid: &str) -> Self {
        Self::of(kid, Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"))))
    }

    /// On P-256. Where the kind does not matter, this is the one.
    pub(super) fn p256(kid: &str) -> Self {
        Self::of(kid, Pair::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key")))
    }

    /// On P-384.
    pub(super) fn p384(kid: &str) -> Self {
        Self::of(kid, Pair::P384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key")))
    }

    /// On Ed25519.
    pub(super) fn ed25519(kid: &str) -> Self {
        Self::of(kid, Pair::Ed25519(Ed25519KeyPair::generate().expect("a key")))
    }

    /// One that was made before, of a kind that is named as in a JSON Web Key.
    pub(super) fn of_pkcs8(kid: &str, kind: &str, pkcs8: &[u8]) -> Self {
        let curve = |algorithm| EcdsaKeyPair::from_pkcs8(algorithm, pkcs8).expect("a key");
        let pair = match kind {
            "RSA" => Pair::Rsa(Box::new(RsaKeyPair::from_pkcs8(pkcs8).expect("a key"))),
            "P-256" => Pair::P256(curve(&ECDSA_P256_SHA256_FIXED_SIGNING)),
            "P-384" => Pair::P384(curve(&ECDSA_P384_SHA384_FIXED_SIGNING)),
            "P-521" => Pair::P521(curve(&ECDSA_P521_SHA512_FIXED_SIGNING)),
            other => panic!("no kind of key: {other}"),
        };
        Self::of(kid, pair)
    }

    /// A shared secret of these bytes.
    pub(super) fn secret(bytes: &[u8]) -> Self {
        Self::of("secret", Pair::Secret(bytes.to_vec()))
    }

    /// The algorithms that it can sign with.
    pub(super) fn algorithms(&self) -> &'static [&'static str] {
        match self.pair {
            Pair::Rsa(_) => &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
            Pair::P256(_) => &["ES256"],
            Pair::P384(_) => &["ES384"],
            Pair::P521(_) => &["ES512"],
            Pair::Ed25519(_) => &["EdDSA", "Ed25519"],
            Pair::Secret(_) => &["HS256", "HS384", "HS512"],
        }
    }

    /// The public half as a JSON Web Key; of a secret, the secret itself.
    pub(super) fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
                json!({ "kty": "RSA", "n": number(n.big_endian_without_leading_zero()),
                        "e": number(e.big_endian_without_leading_zero()) })
            }
            Pair::P256(pair) => point("P-256", pair.public_key().as_ref()),
            Pair::P384(pair) => point("P-384", pair.public_key().as_ref()),
            Pair::P521(pair) => point("P-521", pair.public_key().as_ref()),
            Pair::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key()) })
            }
            Pair::Secret(bytes) => json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(bytes) }),
        };
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// The public half as a PEM block (RFC 7468 §13).
    pub(super) fn pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_der(),
            Pair::P256(pair) | Pair::P384(pair) | Pair::P521(pair) => pair.public_key().as_der(),
            Pair::Ed25519(pair) => pair.public_key().as_der(),
            Pair::Secret(_) => panic!("a secret has no public half"),
        }
        .expect("a public key");
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// The public half of an RSA key as a DER `RSAPublicKey` (RFC 8017, appendix A.1.1).
    pub(super) fn pkcs1(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            _ => panic!("only RSA has that form"),
        }
    }

    /// A certificate of the key, signed by itself (RFC 5280).
    pub(super) fn certificate(&self) -> rcgen::Certificate {
        let key = rcgen::KeyPair::try_from(self.pkcs8()).expect("a key");
        let parameters = rcgen::CertificateParams::new(vec!["issuer.example".to_owned()]).expect("a name");
        parameters.self_signed(&key).expect("a certificate")
    }

    /// The private half (RFC 5208).
    fn pkcs8(&self) -> Vec<u8> {
        let der = |der: Pkcs8V1Der<'_>| der.as_ref().to_vec();
        match &self.pair {
            Pair::Rsa(pair) => der(pair.as_der().expect("a private key")),
            Pair::P256(pair) | Pair::P384(pair) | Pair::P521(pair) => {
                pair.to_pkcs8v1().expect("a private key").as_ref().to_vec()
            }
            Pair::Ed25519(pair) => der(pair.as_der().expect("a private key")),
            Pair::Secret(_) => panic!("a secret has no private half"),
        }
    }

    /// A token that says this, named after the key, with its first algorithm.
    pub(super) fn signs(&self, claims: &Value) -> String {
        self.signs_with(&json!({ "alg": self.algorithms()[0], "kid": self.kid, "typ": "JWT" }), claims)
    }

    /// The same without a name.
    pub(super) fn signs_without_kid(&self, claims: &Value) -> String {
        self.signs_with(&json!({ "alg": self.algorithms()[0], "typ": "JWT" }), claims)
    }

    /// A token with this header, signed as its `alg` says.
    pub(super) fn signs_with(&self, header: &Value, claims: &Value) -> String {
        let segment = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", segment(header), segment(claims));
        let signature = self.signature(header["alg"].as_str().expect("an algorithm"), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn signature(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(rsa_encoding(algorithm), &random, message, &mut signature).expect("a signature");
                signature
            }
            Pair::P256(pair) | Pair::P384(pair) | Pair::P521(pair) => {
                pair.sign(&random, message).expect("a signature").as_ref().to_vec()
            }
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Secret(bytes) => {
                let hash = match algorithm {
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                hmac::sign(&hmac::Key::new(hash, bytes), message).as_ref().to_vec()
            }
        }
    }
}

/// From the uncompressed form (SEC 1 §2.3.3).
fn point(curve: &str, bytes: &[u8]) -> Value {
    let (x, y) = bytes[1..].split_at(bytes.len() / 2);
    json!({ "kty": "EC", "crv": curve, "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) })
}

fn rsa_encoding(algorithm: &str) -> &'static dyn RsaEncoding {
    match algorithm {
        "RS384" => &RSA_PKCS1_SHA384,
        "RS512" => &RSA_PKCS1_SHA512,
        "PS256" => &RSA_PSS_SHA256,
        "PS384" => &RSA_PSS_SHA384,
        "PS512" => &RSA_PSS_SHA512,
        _ => &RSA_PKCS1_SHA256,
    }
}
