//! The addresses that keys may be fetched from.

/// `https`, or `http` to this machine; with `insecure_http`, `http` to any host.
pub(crate) fn is_safe_address(address: &str, insecure_http: bool) -> bool {
    if address.strip_prefix("https://").is_some_and(|rest| !rest.is_empty()) {
        return true;
    }
    let Some(rest) = address.strip_prefix("http://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // The host follows the user name, which may look like a host.
    if host.contains('@') {
        return false;
    }
    let name = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_insecure = insecure_http && !name.is_empty();
    is_insecure || name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_safe() {
        for good in ["https://a.example/jwks", "http://127.0.0.1:8080/x", "http://[::1]/x", "http://localhost/x"] {
            assert!(is_safe_address(good, false) && is_safe_address(good, true), "{good}");
        }
        for bad in [
            "http://a.example/",
            "http://127.0.0.1.a.example/",
            "http://127.0.0.1@a.example/",
            "http://127.0.0.1:80@a.example/",
            "http://[::1]@a.example/",
            "ftp://x",
            "https://",
            "",
        ] {
            assert!(!is_safe_address(bad, false), "{bad}");
        }
        for bad in ["http://", "http:///x", "http://127.0.0.1@a.example/", "ftp://x", "file:///etc/passwd", ""] {
            assert!(!is_safe_address(bad, true), "{bad}");
        }
        assert!(is_safe_address("http://keycloak.auth.svc:8080/realms/main", true));
    }
}
