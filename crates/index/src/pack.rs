//! A segment as one file, so that a commit costs one file and two syncs.
//!
//! The files that tantivy writes for a segment lie one after another, then a table of contents in JSON, then the length
//! of the table (8 bytes, little endian) and [`MAGIC`]. The file is written once and never changed; it is read through
//! a memory map, so that removing it leaves the searches that hold it undisturbed.
//!
//! The document store cannot be switched off and costs 4 bytes for each document, though nothing is stored. It is read
//! only when segments are merged, so all of it but its end lies here as zstd, which makes it next to nothing.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use tantivy::HasLen;
use tantivy::directory::error::{DeleteError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    Directory, FileHandle, FileSlice, MmapDirectory, OwnedBytes, WatchCallback, WatchHandle,
    WritePtr,
};

/// The last bytes of every pack; the digit is the version of this layout.
const MAGIC: &[u8; 8] = b"NKPACK1\n";

/// Name and place of the files in the pack.
type Contents = BTreeMap<PathBuf, Place>;

/// Where a file lies in the pack, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    start: usize,
    end: usize,
    /// For a file of which the beginning is compressed, where its plain end begins, and its length in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    squeezed: Option<Squeezed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Squeezed {
    plain_from: usize,
    file_bytes: usize,
}

/// How much of a compressed file's end stays plain: opening reads no more.
const PLAIN_BYTES: usize = 1024;

/// The longest file that is decompressed: 5 bytes for each of the most documents of a segment, and more.
const SQUEEZED_BYTES_MAX: usize = 256 << 20;

/// A read-only directory of the files in a pack.
#[derive(Clone, Debug)]
pub(crate) struct Pack {
    bytes: OwnedBytes,
    contents: Arc<Contents>,
}

/// Puts files into the bytes of a pack.
pub(crate) fn pack(files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut contents = Contents::new();
    for (name, file) in files {
        let start = bytes.len();
        let is_store = name
            .extension()
            .is_some_and(|extension| extension == "store");
        let cut = file.len().saturating_sub(PLAIN_BYTES);
        let squeezed = match file.split_at_checked(cut) {
            Some((beginning, end)) if is_store && cut > 0 && file.len() <= SQUEEZED_BYTES_MAX => {
                bytes.extend_from_slice(&zstd::bulk::compress(beginning, 1)?);
                let plain_from = bytes.len();
                bytes.extend_from_slice(end);
                let file_bytes = file.len();
                Some(Squeezed {
                    plain_from,
                    file_bytes,
                })
            }
            _ => {
                bytes.extend_from_slice(&file);
                None
            }
        };
        let end = bytes.len();
        contents.insert(
            name,
            Place {
                start,
                end,
                squeezed,
            },
        );
    }
    let table = serde_json::to_vec(&contents)?;
    bytes.extend_from_slice(&table);
    bytes.extend_from_slice(&(table.len() as u64).to_le_bytes());
    bytes.extend_from_slice(MAGIC);
    Ok(bytes)
}

/// A file of which the beginning is compressed.
#[derive(Debug)]
struct SqueezedFile {
    beginning: OwnedBytes,
    end: OwnedBytes,
    file_bytes: usize,
    /// The whole file, once it was asked for.
    whole: OnceLock<OwnedBytes>,
}

impl HasLen for SqueezedFile {
    fn len(&self) -> usize {
        self.file_bytes
    }
}

impl FileHandle for SqueezedFile {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        let cut = self.file_bytes - self.end.len();
        if range.start >= cut && range.end <= self.file_bytes {
            return Ok(self.end.slice(range.start - cut..range.end - cut));
        }
        if range.start > range.end || range.end > self.file_bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(whole) = self.whole.get() {
            return Ok(whole.slice(range));
        }
        let mut whole = zstd::bulk::decompress(&self.beginning, cut)?;
        if whole.len() != cut {
            return Err(io::ErrorKind::InvalidData.into());
        }
        whole.extend_from_slice(&self.end);
        let whole = self.whole.get_or_init(|| OwnedBytes::new(whole));
        Ok(whole.slice(range))
    }
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

    fn place(&self, path: &Path) -> Result<&Place, OpenReadError> {
        let found = self.contents.get(path);
        found.ok_or_else(|| OpenReadError::FileDoesNotExist(path.to_owned()))
    }
}

fn table(bytes: &[u8]) -> Option<Contents> {
    let (rest, magic) = bytes.split_last_chunk::<8>()?;
    let (rest, length) = rest.split_last_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let start = rest.len().checked_sub(length)?;
    let contents: Contents = serde_json::from_slice(rest.get(start..)?).ok()?;
    let sound = contents.values().all(|place| place.is_within(start));
    (magic == MAGIC && sound).then_some(contents)
}

impl Place {
    fn is_within(&self, bytes: usize) -> bool {
        let is_sound = |squeezed: Squeezed| {
            let plain = self.end.checked_sub(squeezed.plain_from);
            let is_long_enough = plain.is_some_and(|plain| plain <= squeezed.file_bytes);
            self.start <= squeezed.plain_from
                && is_long_enough
                && squeezed.file_bytes <= SQUEEZED_BYTES_MAX
        };
        self.start <= self.end && self.end <= bytes && self.squeezed.is_none_or(is_sound)
    }
}

/// The error of everything that would change a pack.
fn read_only() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "a pack is never changed")
}

impl Directory for Pack {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let place = self.place(path)?;
        let Some(squeezed) = place.squeezed else {
            return Ok(Arc::new(self.bytes.slice(place.start..place.end)));
        };
        Ok(Arc::new(SqueezedFile {
            beginning: self.bytes.slice(place.start..squeezed.plain_from),
            end: self.bytes.slice(squeezed.plain_from..place.end),
            file_bytes: squeezed.file_bytes,
            whole: OnceLock::new(),
        }))
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
        let file = self.open_read(path)?;
        let bytes = file.read_bytes();
        let bytes = bytes.map_err(|error| OpenReadError::wrap_io_error(error, path.to_owned()))?;
        Ok(bytes.to_vec())
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
            (
                PathBuf::from("a.store"),
                (0..5000_u32).flat_map(u32::to_le_bytes).collect(),
            ),
            (PathBuf::from("b.store"), vec![3; 7]),
        ]
    }

    #[test]
    fn every_file_comes_back_as_it_was() {
        let pack = Pack::read(OwnedBytes::new(pack(files()).unwrap())).unwrap();
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
            let mut bytes = pack(files()).unwrap();
            bytes.truncate(cut.min(bytes.len() - 1));
            if let Some(byte) = bytes.get_mut(flip) {
                *byte ^= 0x40;
            }
            prop_assert!(Pack::read(OwnedBytes::new(bytes)).is_err());
        }
    }
}
