//! Addresses of databases as they may be shown.

/// Replaces a secret that is set, whatever its length.
pub(super) const MASK: &str = "********";

/// Masks the password in a database URL, which is between the user name and the last `@`, or in the query. (The last
/// `@` as a precaution: an unescaped `/`, `?` or `@` in a password is a common mistake.) Anything that does not look
/// like a URL is masked completely.
pub(super) fn masked_url(url: &str) -> String {
    if url.is_empty() {
        return String::new();
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return MASK.to_owned();
    };
    let (user, host) = match rest.rsplit_once('@') {
        Some((user_info, host)) => match user_info.split_once(':') {
            Some((user, _)) => (format!("{user}:{MASK}@"), host),
            // This `@` belongs to the query.
            None if user_info.contains('?') => return MASK.to_owned(),
            None => (format!("{user_info}@"), host),
        },
        None => (String::new(), rest),
    };
    format!("{scheme}://{user}{}", masked_query(host))
}

/// Masks the parameters of a query, except those known to be harmless.
fn masked_query(host: &str) -> String {
    const HARMLESS: [&str; 7] = ["application_name", "dbname", "host", "port", "sslmode", "sslrootcert", "user"];
    let Some((host, query)) = host.split_once('?') else {
        return host.to_owned();
    };
    let parameters: Vec<String> = query
        .split('&')
        .map(|parameter| match parameter.split_once('=') {
            Some((name, _)) if !HARMLESS.contains(&name) => format!("{name}={MASK}"),
            _ => parameter.to_owned(),
        })
        .collect();
    format!("{host}?{}", parameters.join("&"))
}
