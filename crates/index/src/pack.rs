//! A segment as one file, so that a commit costs one file and two syncs.
//!
//! The files that tantivy writes for a segment lie one after another, then a table of contents in JSON, then the length
//! of the table (8 bytes, little endian) and [`MAGIC`]. The file is written once and never changed; it is read through
//! a memory map, so that removing it leaves the searches that hold it undisturbed.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::directory::error::{DeleteError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    Directory, FileHandle, FileSlice, MmapDirectory, OwnedBytes, WatchCallback, WatchHandle,
    WritePtr,
};

/// The last bytes of every pack; the digit is the version of this layout.
const MAGIC: &[u8; 8] = b"NKPACK1\n";

/// Name and place of the files in the pack.
type Contents = BTreeMap<PathBuf, Range<usize>>;

/// A read-only directory of the files in a pack.
#[derive(Clone, Debug)]
pub(crate) struct Pack {
    bytes: OwnedBytes,
    contents: Arc<Contents>,
}

/// Puts files into the bytes of a pack.
pub(crate) fn pack(files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut contents = Contents::new();
    for (name, file) in files {
        let start = bytes.len();
        bytes.extend_from_slice(&file);
        contents.insert(name, start..bytes.len());
    }
    let table = serde_json::to_vec(&contents).expect("paths of our own are text");
    bytes.extend_from_slice(&table);
    bytes.extend_from_slice(&(table.len() as u64).to_le_bytes());
    bytes.extend_from_slice(MAGIC);
    bytes
}

impl Pack {
    /// Opens the pack of that name in that folder.
    pub(crate) fn open(folder: &Path, name: &str) -> io::Result<Self> {
        let directory = MmapDirectory::open(folder).map_err(io::Error::other)?;
        let file: FileSlice = directory
            .open_read(Path::new(name))
            .map_err(io::Error::other)?;
        Self::read(file.read_bytes()?)
    }

    /// Reads the table of contents at the end of the bytes.
    fn read(bytes: OwnedBytes) -> io::Result<Self> {
        let contents = Arc::new(table(&bytes).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "not a whole pack of a segment")
        })?);
        Ok(Self { bytes, contents })
    }

    fn range(&self, path: &Path) -> Result<Range<usize>, OpenReadError> {
        let found = self.contents.get(path).cloned();
        found.ok_or_else(|| OpenReadError::FileDoesNotExist(path.to_owned()))
    }
}

fn table(bytes: &[u8]) -> Option<Contents> {
    let (rest, magic) = bytes.split_last_chunk::<8>()?;
    let (rest, length) = rest.split_last_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let start = rest.len().checked_sub(length)?;
    let contents: Contents = serde_json::from_slice(rest.get(start..)?).ok()?;
    let sound = contents
        .values()
        .all(|range| range.start <= range.end && range.end <= start);
    (magic == MAGIC && sound).then_some(contents)
}

/// The error of everything that would change a pack.
fn read_only() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "a pack is never changed")
}

impl Directory for Pack {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let range = self.range(path)?;
        Ok(Arc::new(self.bytes.slice(range)))
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        Err(DeleteError::IoError {
            io_error: Arc::new(read_only()),
            filepath: path.to_owned(),
        })
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        Ok(self.contents.contains_key(path))
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        Err(OpenWriteError::wrap_io_error(read_only(), path.to_owned()))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let range = self.range(path)?;
        Ok(self.bytes.get(range).unwrap_or_default().to_vec())
    }

    fn atomic_write(&self, _path: &Path, _data: &[u8]) -> io::Result<()> {
        Err(read_only())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn watch(&self, _callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn files() -> Vec<(PathBuf, Vec<u8>)> {
        vec![
            (PathBuf::from("meta.json"), b"{}".to_vec()),
            (PathBuf::from("a.idx"), vec![7; 1000]),
            (PathBuf::from("empty"), Vec::new()),
        ]
    }

    #[test]
    fn every_file_comes_back_as_it_was() {
        let pack = Pack::read(OwnedBytes::new(pack(files()))).unwrap();
        for (name, bytes) in files() {
            assert_eq!(pack.atomic_read(&name).unwrap(), bytes);
            assert_eq!(
                pack.open_read(&name)
                    .unwrap()
                    .read_bytes()
                    .unwrap()
                    .as_ref(),
                bytes
            );
        }
        assert!(!pack.exists(Path::new("b")).unwrap());
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_an_error_and_no_panic(cut in 0_usize..1200, flip in 0_usize..1200) {
            let mut bytes = pack(files());
            bytes.truncate(cut.min(bytes.len() - 1));
            if let Some(byte) = bytes.get_mut(flip) {
                *byte ^= 0x40;
            }
            prop_assert!(Pack::read(OwnedBytes::new(bytes)).is_err());
        }
    }
}
