//! Files with secrets.

use std::{io::Read, path::Path};

use zeroize::Zeroizing;

/// The maximum size of such a file, in bytes; also ends reading from something that is not a regular file.
const MAX_SIZE: u64 = 64 * 1024;

/// The content of a secret's file without the trailing newline. The error says what is wrong with the file, such as "is
/// empty", and does not contain the path, because somebody may have set the secret itself instead of its path.
pub(in crate::config) fn read_secret(path: &Path) -> Result<Zeroizing<String>, String> {
    // Full capacity: a growing string would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(MAX_SIZE as usize + 1));
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_SIZE + 1).read_to_string(&mut text))
        .map_err(|error| format!("can't be read ({error})"))?;
    if text.len() as u64 > MAX_SIZE {
        return Err(format!("is larger than {MAX_SIZE} bytes"));
    }
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    Ok(text)
}
