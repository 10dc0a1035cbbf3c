//! Ports for servers that can't be asked which one the system gave them.

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    sync::atomic::{AtomicU16, Ordering},
};

/// Below those that systems give to connections and to whoever asks for any (from 32768 on Linux, 49152 on macOS). And
/// none of them begins as one that a document names, such as 3000: texts are replaced by them.
const FIRST: u16 = 20_000;
const COUNT: u16 = 9_000;

/// A port that no other test uses while this value lives. Nobody listens on it yet.
pub(crate) struct Port {
    number: u16,
    /// What keeps other tests, in whatever process, from taking the port: UDP ports of the same number are of no use to
    /// anybody here, and the system frees them however a process ends.
    _claim: UdpSocket,
}

impl Port {
    pub(crate) fn claim() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Processes start far from each other, so that they needn't try many.
        let start = (std::process::id() % u32::from(COUNT)) as u16;
        for _ in 0..COUNT {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let number = FIRST + (start.wrapping_mul(31).wrapping_add(step)) % COUNT;
            let address = (Ipv4Addr::LOCALHOST, number);
            if let Ok(claim) = UdpSocket::bind(address)
                && TcpListener::bind(address).is_ok()
            {
                return Self { number, _claim: claim };
            }
        }
        panic!("all ports from {FIRST} on are in use");
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}
