//! The disk of the machine.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::traits::{Access, Disk, Entry, EntryKind, File};

/// The file system of the machine. New files are readable by their owner and group alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = fs::OpenOptions::new();
        options.read(true).mode(0o640);
        match access {
            Access::Read => {}
            Access::Write => {
                options.write(true);
            }
            Access::CreateNew => {
                options.write(true).create_new(true);
            }
        }
        Ok(Box::new(RealFile(options.open(path)?)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        match fs::DirBuilder::new().mode(0o750).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other,
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            entries.push(Entry {
                name: entry.file_name().to_string_lossy().into_owned(),
                kind: if entry.file_type()?.is_dir() {
                    EntryKind::Directory
                } else {
                    EntryKind::File
                },
            });
        }
        entries.sort();
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(rustix::fs::rename(from, to)?)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

#[derive(Debug)]
struct RealFile(fs::File);

impl File for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), 0, len) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.0.set_len(len),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_reads_back_what_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk;
        let path = dir.path().join("a");
        let file = disk.open(&path, Access::CreateNew).unwrap();
        file.allocate(8192).unwrap();
        file.write_at(b"hello", 4096).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir(dir.path()).unwrap();
        assert_eq!(file.len().unwrap(), 8192);

        let mut buffer = [1; 4];
        let file = disk.open(&path, Access::Read).unwrap();
        assert_eq!(file.read_at(&mut buffer, 4097).unwrap(), 4);
        assert_eq!(&buffer, b"ello");
        assert_eq!(file.read_at(&mut buffer, 8190).unwrap(), 2);
        assert!(file.read_exact_at(&mut buffer, 8190).is_err());
        assert!(disk.open(&path, Access::CreateNew).is_err());
        assert!(disk.free_bytes(dir.path()).unwrap() > 0);
    }

    #[test]
    fn names_are_listed_renamed_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk;
        disk.create_dir(&dir.path().join("d")).unwrap();
        disk.create_dir(&dir.path().join("d")).unwrap();
        disk.open(&dir.path().join("b"), Access::CreateNew).unwrap();
        disk.rename(&dir.path().join("b"), &dir.path().join("c"))
            .unwrap();
        let names: Vec<_> = disk.list(dir.path()).unwrap();
        assert_eq!(names.len(), 2);
        assert_eq!(
            (names[0].name.as_str(), names[0].kind),
            ("c", EntryKind::File)
        );
        assert_eq!(names[1].kind, EntryKind::Directory);
        disk.remove_file(&dir.path().join("c")).unwrap();
        disk.remove_dir(&dir.path().join("d")).unwrap();
        assert!(disk.list(dir.path()).unwrap().is_empty());
    }
}
