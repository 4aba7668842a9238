//! The calls that durable code is made of.

use std::fmt::Debug;
use std::io;
use std::path::Path;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// An existing file, to be read.
    Read,
    /// An existing file, to be read and written.
    Write,
    /// A file that must not exist yet, to be read and written. Its name is durable after [`Disk::sync_dir`].
    CreateNew,
}

/// What a directory holds under one name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name within the directory.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What a name in a directory stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}

/// Names and files. Shared by threads; every call is complete in itself.
pub trait Disk: Send + Sync + Debug {
    /// Opens a file.
    ///
    /// # Errors
    /// As the system gives them; `NotFound` and `AlreadyExists` mean what they say.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>>;

    /// Creates one directory; it is no error if it is there. Durable after `sync_dir` of its parent.
    ///
    /// # Errors
    /// As the system gives them.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// The entries of a directory, sorted by name. Names that are not UTF-8 are given lossily; what is neither a
    /// file nor a directory is given as a file.
    ///
    /// # Errors
    /// As the system gives them; `NotFound` if there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;

    /// Gives a file another name, replacing what has that name; atomic. Durable after `sync_dir` of both parents.
    ///
    /// # Errors
    /// As the system gives them.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name. Durable after `sync_dir`.
    ///
    /// # Errors
    /// As the system gives them.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory. Durable after `sync_dir` of its parent.
    ///
    /// # Errors
    /// As the system gives them.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// As the system gives them; nothing is known about the names then.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Bytes that this process may still write to the file system of `path`.
    ///
    /// # Errors
    /// As the system gives them.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// An open file, read and written at given offsets; shared by threads.
pub trait File: Send + Sync + Debug {
    /// Its length in bytes.
    ///
    /// # Errors
    /// As the system gives them.
    fn len(&self) -> io::Result<u64>;

    /// Whether it holds no bytes.
    ///
    /// # Errors
    /// As the system gives them.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads what lies at `offset`, up to `buffer` or the end of the file, and gives the number of bytes; fewer
    /// than asked only at the end.
    ///
    /// # Errors
    /// As the system gives them.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Reads exactly `buffer`.
    ///
    /// # Errors
    /// `UnexpectedEof` where the file is too short.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let wanted = buffer.len();
        match self.read_at(buffer, offset)? {
            read if read == wanted => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Writes all of `bytes`, extending the file where needed. Durable after [`File::sync_data`].
    ///
    /// # Errors
    /// As the system gives them; any part may have been written then. A full disk is `StorageFull` or
    /// `QuotaExceeded`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes content and length durable.
    ///
    /// # Errors
    /// As the system gives them. What was written since the last success may be lost for good then, even if a later
    /// call succeeds: the caller must never go on as if nothing had happened.
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts or extends (by zeros) to `len`. Durable after [`File::sync_data`].
    ///
    /// # Errors
    /// As the system gives them.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Extends to `len` with zeros for which the space is reserved; where the file system cannot reserve, as
    /// [`File::set_len`].
    ///
    /// # Errors
    /// `StorageFull` where the space is not there; the file is unchanged then.
    fn allocate(&self, len: u64) -> io::Result<()>;
}
