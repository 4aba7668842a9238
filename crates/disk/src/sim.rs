//! A disk in memory that fails as real ones do.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::sim_state::State;
use crate::traits::{Access, Disk, Entry, File};

/// How often calls fail, each in cases of ten thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// `sync_data` fails: any part of what was unsynced is lost for good, although later calls succeed.
    pub sync_fails: u32,
    /// `write_at` fails with an I/O error, a part of it being written.
    pub write_fails: u32,
    /// `write_at` finds the disk full although it is not, a part of it being written (quotas, copy on write).
    pub write_full: u32,
    /// `read_at` fails with an I/O error.
    pub read_fails: u32,
}

/// A disk in memory, for tests: nothing is durable before it is synced, and a seed decides what a crash takes.
///
/// At a crash every unsynced write loses any of its sectors of 512 bytes, in any order; every unsynced name, removal
/// and rename may or may not have happened, each by itself; a length that was set may be lost. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// An empty disk without faults or bounds; its root directory is `/`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: Arc::new(Mutex::new(State::new(seed))),
        }
    }

    /// From now on calls fail this often.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// From now on the disk holds this many bytes, counting the whole length of every file.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// Lets `calls` more changing calls through, then cuts the power in the middle of the next one.
    pub fn cut_power_after(&self, calls: u64) {
        self.state().calls_left = Some(calls);
    }

    /// Cuts the power: every call fails until [`SimDisk::restart`].
    pub fn cut_power(&self) {
        self.state().calls_left = Some(0);
        self.state().off = true;
    }

    /// Whether the power is off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.state().off
    }

    /// Turns the machine on again: what was not durable is gone, wholly or in part; open files are closed.
    pub fn restart(&self) {
        self.state().restart();
    }

    /// Changes one bit of a file, unnoticed, also in what is durable.
    ///
    /// # Errors
    /// `NotFound`, or `UnexpectedEof` where the file is too short.
    pub fn flip_bit(&self, path: &Path, byte: u64, bit: u32) -> io::Result<()> {
        self.state().flip_bit(path, byte, bit)
    }

    /// All files with their lengths, sorted by path.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        self.state().files()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        let mut state = self.state();
        let inode = state.open(path, access)?;
        Ok(Box::new(SimFile {
            disk: self.clone(),
            inode,
            boot: state.boot,
        }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.state().create_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.state().list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state().rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.state().remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.state().remove_dir(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.state().sync_dir(dir)
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        let state = self.state();
        Ok(state.capacity.saturating_sub(state.used_bytes()))
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: usize,
    boot: u64,
}

impl SimFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.off || state.boot != self.boot {
            return Err(io::Error::other("the machine was turned off"));
        }
        Ok(state)
    }
}

impl File for SimFile {
    fn len(&self) -> io::Result<u64> {
        self.state()?.len(self.inode)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.state()?.read_at(self.inode, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.state()?.write_at(self.inode, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.state()?.sync_data(self.inode)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.state()?.set_len(self.inode, len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.state()?.allocate(self.inode, len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(disk: &SimDisk, name: &str) -> Box<dyn File> {
        let file = disk.open(Path::new(name), Access::CreateNew).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        file
    }

    #[test]
    fn what_was_synced_survives_and_the_rest_may_tear() {
        let mut torn = 0;
        for seed in 0..100 {
            let disk = SimDisk::new(seed);
            let log = file(&disk, "/log");
            log.write_at(&[1; 1024], 0).unwrap();
            log.sync_data().unwrap();
            log.write_at(&[2; 4096], 1024).unwrap();
            disk.cut_power();
            assert!(log.sync_data().is_err());
            disk.restart();
            let bytes = crate::read(&disk, Path::new("/log"), 1 << 20).unwrap();
            assert_eq!(bytes[..1024], [1; 1024], "seed {seed}");
            for sector in bytes[1024..].chunks(512) {
                assert!(sector.iter().all(|byte| *byte == sector[0]), "seed {seed}");
            }
            torn += usize::from(bytes.contains(&2) && bytes[1024..].contains(&0));
        }
        assert!(torn > 10, "writes tear in {torn} of 100 cases");
    }

    #[test]
    fn a_failed_sync_loses_what_it_should_have_kept_for_good() {
        let mut lost = 0;
        for seed in 0..100 {
            let disk = SimDisk::new(seed);
            let log = file(&disk, "/log");
            log.write_at(&[2; 512], 0).unwrap();
            disk.set_faults(Faults {
                sync_fails: 10_000,
                ..Faults::default()
            });
            assert!(log.sync_data().is_err());
            disk.set_faults(Faults::default());
            log.sync_data().unwrap();
            disk.cut_power();
            disk.restart();
            let bytes = crate::read(&disk, Path::new("/log"), 1 << 20).unwrap();
            lost += usize::from(bytes != [2; 512]);
        }
        assert!(lost > 10);
    }

    #[test]
    fn a_name_is_durable_only_with_its_folder() {
        let (mut kept, mut gone) = (0, 0);
        for seed in 0..100 {
            let disk = SimDisk::new(seed);
            disk.open(Path::new("/a"), Access::CreateNew).unwrap();
            disk.cut_power();
            disk.restart();
            match disk.files().len() {
                0 => gone += 1,
                _ => kept += 1,
            }
        }
        assert!(kept > 10 && gone > 10);
    }

    #[test]
    fn a_full_disk_says_so_and_reserved_space_is_there() {
        let disk = SimDisk::new(1);
        disk.set_capacity(10_000);
        let log = file(&disk, "/log");
        log.allocate(8_000).unwrap();
        assert_eq!(disk.free_bytes(Path::new("/")).unwrap(), 2_000);
        let other = file(&disk, "/other");
        let error = other.write_at(&[1; 4_000], 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        log.write_at(&[1; 8_000], 0).unwrap();
    }

    #[test]
    fn a_flipped_bit_is_durable_at_once() {
        let disk = SimDisk::new(1);
        let log = file(&disk, "/log");
        log.write_at(&[0; 10], 0).unwrap();
        log.sync_data().unwrap();
        disk.flip_bit(Path::new("/log"), 3, 1).unwrap();
        disk.cut_power();
        disk.restart();
        let bytes = crate::read(&disk, Path::new("/log"), 10).unwrap();
        assert_eq!(bytes[3], 2);
    }
}
