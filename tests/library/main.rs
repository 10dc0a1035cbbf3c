//! Keyward as a library: somebody else's application, which checks keys by itself ([`app`]), beside a real replica
//! that makes and revokes them. What a test proves is its name.

#[allow(dead_code, reason = "only a part of it is used here")]
#[path = "../api/actors.rs"]
mod actors;
mod app;
#[allow(dead_code, reason = "only a part of it is used here")]
#[path = "../api/asking.rs"]
mod asking;
mod connecting;
mod credentials;
mod documented;
mod examples;
mod extractors;
#[path = "../faults/frames.rs"]
mod frames;
mod lossy;
mod manifest;
mod outages;
#[allow(dead_code, reason = "only a part of it is used here")]
#[path = "../api/program.rs"]
mod program;
mod promise;
#[allow(dead_code, reason = "only a part of it is used here")]
#[path = "../faults/proxy.rs"]
mod proxy;
#[allow(dead_code, reason = "only a part of it is used here")]
#[path = "../api/replica.rs"]
mod replica;
#[allow(dead_code, reason = "only a part of it is used here")]
#[path = "../api/session.rs"]
mod session;
#[path = "../support/mod.rs"]
mod support;
