//! What can be wrong with the address of a database.

/// More are a mistake: while none answers, each is tried in turn.
pub(super) const HOSTS_MAX: usize = 16;

/// What is wrong with a URL. Continues a sentence that begins with the setting, and shows no part of the URL, because
/// any part may contain a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDatabaseUrl {
    /// Not a Postgres URL.
    #[error("is not a URL like postgres://user:password@host:5432/name")]
    Scheme,
    /// The password contains a character that ends its part of the URL.
    #[error(
        "has one of the characters / ? # @ where a URL gives them another meaning, most likely in the password: write them as \
         %2F %3F %23 %40, or leave the password out of the URL and set it alone ({0})"
    )]
    Reserved(&'static str),
    /// `#` begins a fragment, which servers never receive.
    #[error("has a #, which ends a URL: in a password, write %23, or set the password alone ({0})")]
    Fragment(&'static str),
    /// A percent sign without two hexadecimal digits, or an escape that is not UTF-8.
    #[error(
        "has a % that is not followed by two hexadecimal digits, or what these stand for is not UTF-8: write a % as %25"
    )]
    Encoding,
    /// NUL, which ends strings of the protocol.
    #[error("has a NUL character")]
    Nul,
    /// An IPv6 address without brackets.
    #[error("has an IPv6 address without brackets: write it like [::1] or [::1]:5432")]
    Brackets,
    /// An unclosed bracket, or brackets with something else inside.
    #[error("has brackets around something other than an IPv6 address")]
    Address,
    /// An invalid port.
    #[error("has a port that is not a number from 1 to 65535")]
    Port,
    /// Two lists of different lengths.
    #[error("names several hosts, and a different number of ports: give one port for all of them, or one for each")]
    Ports,
    /// Too many hosts.
    #[error("names more than {HOSTS_MAX} hosts")]
    Hosts,
    /// An unknown TLS mode.
    #[error("has an sslmode that does not exist: use disable, allow, prefer, require, verify-ca or verify-full")]
    SslMode,
    /// A kind of server that Keyward does not work with.
    #[error("has a target_session_attrs other than read-write or primary: Keyward works with the primary alone")]
    SessionAttributes,
    /// Not a number.
    #[error("has a statement-cache-capacity that is not a number")]
    StatementCache,
    /// A parameter that Keyward's own setting replaces.
    #[error(
        "has the parameter connect_timeout: database.connect_timeout and database.acquire_timeout are in its place"
    )]
    Timeout,
    /// A parameter that would be ignored: by its name, where no password can be a part of that.
    #[error(
        "has {0} that is not known; those that are: sslmode, sslrootcert, sslcert, sslkey, host, hostaddr, port, user, \
         password, dbname, target_session_attrs, options, application_name, statement-cache-capacity"
    )]
    Parameter(String),
}
