//! HTTP/1: from the bytes of a connection to one valid request at a time, which actix-http parses again.
//!
//! - `connection`: one request at a time for actix-http, no reading while nothing can be written, and deadlines
//! - `incoming`: what has arrived of a request, and where the request ends
//! - `head`, `target`, `framing`: what is valid in a head, in a request target, and as the length of a body
//! - `deadline`: the time of clients

mod connection;
mod deadline;
pub mod framing;
pub mod head;
pub mod incoming;
pub mod target;

pub(super) use self::connection::{Bounds, Connection};
