//! How API servers take a request target for the path of a route. Each kind does a few of these things, in an order of
//! its own: Tomcat and Jetty drop what follows a semicolon, Express takes capitals for small letters, IIS a backslash
//! for a slash.

use std::collections::BTreeSet;

/// One thing that a server may do to a path.
type Step = fn(&[u8]) -> Vec<u8>;

const STEPS: [(&str, Step); 15] = [
    ("ends the path at a question mark", |path| until(path, b"?")),
    ("ends the path at a number sign", |path| until(path, b"#")),
    ("ends the path at a zero byte", |path| until(path, b"\0")),
    ("decodes", decoded),
    ("drops parameters after a semicolon", without_parameters),
    ("takes a backslash for a slash", |path| replaced(path, b"\\", b"/")),
    ("resolves dots", without_dots),
    ("merges slashes", merged),
    ("takes what follows two slashes for a host", without_host),
    ("takes capitals for small letters", <[u8]>::to_ascii_lowercase),
    ("takes letters for others by Unicode's tables", folded),
    ("drops control characters", |path| path.iter().copied().filter(|byte| !byte.is_ascii_control()).collect()),
    ("drops what is not UTF-8", |path| path.utf8_chunks().flat_map(|chunk| chunk.valid().bytes()).collect()),
    ("takes overlong UTF-8 for what it spells", from_overlong),
    ("decodes as IIS did", from_percent_u),
];

/// All paths that some server may find in a request target.
pub(crate) fn all_readings(target: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::from([target.as_bytes().to_vec()]);
    let mut new: Vec<_> = found.iter().cloned().collect();
    while let Some(path) = new.pop() {
        for (_, step) in STEPS {
            let next = step(&path);
            if found.insert(next.clone()) {
                new.push(next);
            }
        }
        assert!(found.len() < 10_000, "{target:?} has no end of readings");
    }
    found.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect()
}

fn until(path: &[u8], end: &[u8]) -> Vec<u8> {
    path.split(|byte| end.contains(byte)).next().unwrap_or_default().to_vec()
}

fn replaced(path: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut result = Vec::new();
    let mut rest = path;
    while let Some(first) = rest.first() {
        if rest.starts_with(from) {
            result.extend(to);
            rest = &rest[from.len()..];
        } else {
            result.push(*first);
            rest = &rest[1..];
        }
    }
    result
}

fn hex(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(text, 16).ok()
}

/// What begins with a mark and that many hexadecimal digits becomes something else.
fn escapes(path: &[u8], mark: &[u8], digits: usize, mut put: impl FnMut(u32, &mut Vec<u8>)) -> Vec<u8> {
    let mut result = Vec::new();
    let mut rest = path;
    while let Some(first) = rest.first() {
        let value = rest.strip_prefix(mark).and_then(|rest| hex(rest.get(..digits)?));
        if let Some(value) = value {
            put(value, &mut result);
            rest = &rest[mark.len() + digits..];
        } else {
            result.push(*first);
            rest = &rest[1..];
        }
    }
    result
}

fn decoded(path: &[u8]) -> Vec<u8> {
    escapes(path, b"%", 2, |byte, result| result.push(byte as u8))
}

fn from_percent_u(path: &[u8]) -> Vec<u8> {
    escapes(path, b"%u", 4, |code, result| {
        result.extend(char::from_u32(code).unwrap_or_default().encode_utf8(&mut [0; 4]).bytes());
    })
}

fn without_parameters(path: &[u8]) -> Vec<u8> {
    path.split(|byte| *byte == b'/').map(|part| until(part, b";")).collect::<Vec<_>>().join(&b'/')
}

fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"." => {}
            b".." if kept.len() > 1 => drop(kept.pop()),
            b".." => {}
            part => kept.push(part),
        }
    }
    kept.join(&b'/')
}

fn merged(path: &[u8]) -> Vec<u8> {
    let mut result = path.to_vec();
    result.dedup_by(|second, first| (*first, *second) == (b'/', b'/'));
    result
}

fn without_host(path: &[u8]) -> Vec<u8> {
    match path.strip_prefix(b"//") {
        Some(rest) => rest.iter().position(|byte| *byte == b'/').map_or(b"/".to_vec(), |end| rest[end..].to_vec()),
        None => path.to_vec(),
    }
}

/// Those whose other case is ASCII.
fn folded(path: &[u8]) -> Vec<u8> {
    [("ſ", "s"), ("K", "k"), ("İ", "i"), ("ı", "i")]
        .iter()
        .fold(path.to_vec(), |path, (from, to)| replaced(&path, from.as_bytes(), to.as_bytes()))
}

/// Two or three bytes that spell what one could (RFC 3629 §3 forbids it).
fn from_overlong(path: &[u8]) -> Vec<u8> {
    let mut result = Vec::new();
    let mut rest = path;
    while let Some(first) = rest.first() {
        let (byte, length) = match rest {
            [first @ (0xC0 | 0xC1), second @ 0x80..=0xBF, ..] => ((first & 1) << 6 | second & 0x3F, 2),
            [0xE0, second @ (0x80 | 0x81), third @ 0x80..=0xBF, ..] => ((second & 1) << 6 | third & 0x3F, 3),
            _ => (*first, 1),
        };
        result.push(byte);
        rest = &rest[length..];
    }
    result
}

#[test]
fn a_target_is_read_as_servers_do() {
    for (target, path) in [
        ("/orders;x/7", "/orders/7"),
        ("/public/..;a=b/orders/7", "/orders/7"),
        ("/ORDERS/7", "/orders/7"),
        ("/%256frders/7", "/orders/7"),
        ("/public/..%5corders/7", "/orders/7"),
        ("/order%C5%BF/7", "/orders/7"),
        ("/public/%c0%ae%c0%ae/orders/7", "/orders/7"),
        ("/%u006frders/7", "/orders/7"),
        ("/orders%ff/7", "/orders/7"),
        ("//public/orders/7", "/orders/7"),
        ("/public/x#/../../orders/7", "/orders/7"),
        ("/orders%00x", "/orders"),
    ] {
        assert!(all_readings(target).contains(path), "{target}: {:?}", all_readings(target));
    }
    assert!(!all_readings("/public/a%20b/%C3%A4?x=/orders").iter().any(|path| path.starts_with("/orders")));
}
