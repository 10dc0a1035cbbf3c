//! Files with secrets that are open to everybody.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// A file with secrets that is open to users other than its owner and group. Containers share secrets through groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The setting that names the file.
    pub setting: String,
    /// The file.
    pub file: PathBuf,
    /// The folder in which everybody can put another file in its place. `None` if everybody may read or change the file
    /// itself.
    pub folder: Option<PathBuf>,
}

impl Exposure {
    pub(super) fn of(setting: String, file: PathBuf) -> Option<Self> {
        const READ_OR_WRITE: u32 = 0o006;
        let metadata = fs::metadata(&file).ok().filter(fs::Metadata::is_file)?;
        if metadata.mode() & READ_OR_WRITE != 0 {
            return Some(Self { setting, file, folder: None });
        }
        let folder = open_folder(&file)?;
        Some(Self { setting, file, folder: Some(folder) })
    }
}

/// The nearest folder above a file whose entries everybody may replace. With the sticky bit, as in `/tmp`, only the
/// owner of an entry may. Where links lead elsewhere, both ways count.
fn open_folder(file: &Path) -> Option<PathBuf> {
    const WRITE: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    let is_open =
        |folder: &&Path| fs::metadata(folder).is_ok_and(|metadata| metadata.mode() & (WRITE | STICKY) == WRITE);
    let ways = [std::path::absolute(file), fs::canonicalize(file)];
    ways.iter().flatten().find_map(|way| way.ancestors().skip(1).find(is_open).map(Path::to_path_buf))
}
