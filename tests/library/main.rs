//! Keyward as a library: somebody else's application, which checks keys by itself ([`app`]), beside a real replica
//! that makes and revokes them. What a test proves is its name.

mod app;
mod connecting;
mod credentials;
mod documented;
mod examples;
mod extractors;
mod lossy;
mod manifest;
mod outages;
mod promise;
