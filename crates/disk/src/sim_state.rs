//! What the simulated disk holds, live and durable, and what a crash makes of it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::sim::Faults;
use crate::sim_random::SimRandom;
use crate::traits::{Access, Entry, EntryKind};

/// What a device writes as a whole or not at all.
const SECTOR_BYTES: usize = 512;

#[derive(Debug)]
pub(crate) struct State {
    random: SimRandom,
    pub(crate) faults: Faults,
    pub(crate) capacity: u64,
    pub(crate) calls_left: Option<u64>,
    pub(crate) off: bool,
    /// Counts restarts: a handle of an earlier boot is dead.
    pub(crate) boot: u64,
    inodes: Vec<Inode>,
    dirs: BTreeMap<PathBuf, Dir>,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// What `live` has and `durable` has not, in the order in which it was done.
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File(usize),
    Directory,
}

#[derive(Clone, Debug, Default)]
struct Dir {
    live: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    pending: Vec<NameChange>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Link(String, Node),
    Unlink(String),
    Rename {
        from: String,
        to: String,
        node: Node,
    },
}

impl State {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: SimRandom::new(seed),
            faults: Faults::default(),
            capacity: u64::MAX,
            calls_left: None,
            off: false,
            boot: 0,
            inodes: Vec::new(),
            dirs: BTreeMap::from([(PathBuf::from("/"), Dir::default())]),
        }
    }

    pub(crate) fn open(&mut self, path: &Path, access: Access) -> io::Result<usize> {
        let (parent, name) = split(path)?;
        self.check_power()?;
        match (self.dir(parent)?.live.get(name).copied(), access) {
            (Some(Node::File(inode)), Access::Read | Access::Write) => Ok(inode),
            (Some(_), Access::CreateNew) => Err(io::ErrorKind::AlreadyExists.into()),
            (Some(Node::Directory), _) => Err(io::ErrorKind::IsADirectory.into()),
            (None, Access::Read | Access::Write) => Err(io::ErrorKind::NotFound.into()),
            (None, Access::CreateNew) => {
                self.changing_call()?;
                let inode = self.inodes.len();
                self.inodes.push(Inode::default());
                let link = NameChange::Link(name.to_owned(), Node::File(inode));
                self.dir(parent)?.change(link);
                Ok(inode)
            }
        }
    }

    pub(crate) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name) = split(path)?;
        self.changing_call()?;
        match self.dir(parent)?.live.get(name) {
            Some(Node::Directory) => return Ok(()),
            Some(Node::File(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            None => {}
        }
        let link = NameChange::Link(name.to_owned(), Node::Directory);
        self.dir(parent)?.change(link);
        self.dirs.insert(path.to_owned(), Dir::default());
        Ok(())
    }

    pub(crate) fn list(&mut self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.check_power()?;
        let entries = self.dir(dir)?.live.iter().map(|(name, node)| Entry {
            name: name.clone(),
            kind: match node {
                Node::File(_) => EntryKind::File,
                Node::Directory => EntryKind::Directory,
            },
        });
        Ok(entries.collect())
    }

    /// Renames a file within its directory: all that durable code here needs.
    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (parent, from_name) = split(from)?;
        let (to_parent, to_name) = split(to)?;
        self.changing_call()?;
        let dir = self.dir(parent)?;
        let Some(node @ Node::File(_)) = dir.live.get(from_name).copied() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if parent != to_parent {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        dir.change(NameChange::Rename {
            from: from_name.to_owned(),
            to: to_name.to_owned(),
            node,
        });
        Ok(())
    }

    pub(crate) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name) = split(path)?;
        self.check_power()?;
        let Some(Node::File(_)) = self.dir(parent)?.live.get(name) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        self.changing_call()?;
        self.dir(parent)?
            .change(NameChange::Unlink(name.to_owned()));
        Ok(())
    }

    pub(crate) fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name) = split(path)?;
        self.changing_call()?;
        if !self.dir(path)?.live.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.dir(parent)?
            .change(NameChange::Unlink(name.to_owned()));
        Ok(())
    }

    pub(crate) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.changing_call()?;
        let dir = self.dir(dir)?;
        dir.durable = dir.live.clone();
        dir.pending.clear();
        Ok(())
    }

    pub(crate) fn len(&self, inode: usize) -> io::Result<u64> {
        Ok(self.inode(inode)?.live.len() as u64)
    }

    pub(crate) fn read_at(
        &mut self,
        inode: usize,
        buffer: &mut [u8],
        offset: u64,
    ) -> io::Result<usize> {
        if self.random_fault(self.faults.read_fails) {
            return Err(input_output_error());
        }
        let live = &self.inode(inode)?.live;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let source = live.get(start..).unwrap_or_default();
        let read = source.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..read), source.get(..read)) {
            to.copy_from_slice(from);
        }
        Ok(read)
    }

    pub(crate) fn write_at(&mut self, inode: usize, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let end = offset.checked_add(bytes.len());
        let end = end.ok_or(io::ErrorKind::FileTooLarge)?;
        if let Err(off) = self.changing_call() {
            // The power failed in the middle of the call: a part of it may have reached the device.
            self.write_part(inode, bytes, offset);
            return Err(off);
        }
        if self.random_fault(self.faults.write_fails) {
            self.write_part(inode, bytes, offset);
            return Err(input_output_error());
        }
        let grows = end.saturating_sub(self.inode(inode)?.live.len()) as u64;
        let room = self.capacity.saturating_sub(self.used_bytes());
        if self.random_fault(self.faults.write_full) || grows > room {
            self.write_part(inode, bytes, offset);
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.apply(
            inode,
            Change::Write {
                offset,
                bytes: bytes.to_vec(),
            },
        )
    }

    pub(crate) fn sync_data(&mut self, inode: usize) -> io::Result<()> {
        self.changing_call()?;
        if self.random_fault(self.faults.sync_fails) {
            let forgets = self.random.chance(5_000);
            let Self { inodes, random, .. } = self;
            let file = inodes.get_mut(inode).ok_or(io::ErrorKind::NotFound)?;
            file.lose_pending(random);
            if forgets {
                file.live.clone_from(&file.durable);
            }
            return Err(input_output_error());
        }
        let file = self.inode_mut(inode)?;
        for change in std::mem::take(&mut file.pending) {
            change.apply(&mut file.durable);
        }
        Ok(())
    }

    pub(crate) fn set_len(&mut self, inode: usize, len: u64) -> io::Result<()> {
        self.changing_call()?;
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.apply(inode, Change::Length(len))
    }

    pub(crate) fn allocate(&mut self, inode: usize, len: u64) -> io::Result<()> {
        self.changing_call()?;
        let grows = len.saturating_sub(self.len(inode)?);
        if grows > self.capacity.saturating_sub(self.used_bytes()) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if grows == 0 {
            return Ok(());
        }
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.apply(inode, Change::Length(len))
    }

    pub(crate) fn flip_bit(&mut self, path: &Path, byte: u64, bit: u32) -> io::Result<()> {
        let (parent, name) = split(path)?;
        let Some(Node::File(inode)) = self.dir(parent)?.live.get(name).copied() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let at = usize::try_from(byte).unwrap_or(usize::MAX);
        let file = self.inode_mut(inode)?;
        let live = file.live.get_mut(at).ok_or(io::ErrorKind::UnexpectedEof)?;
        *live ^= 1u8.wrapping_shl(bit);
        if let Some(durable) = file.durable.get_mut(at) {
            *durable ^= 1u8.wrapping_shl(bit);
        }
        Ok(())
    }

    pub(crate) fn files(&self) -> Vec<(PathBuf, u64)> {
        let mut files = Vec::new();
        for (path, dir) in &self.dirs {
            for (name, node) in &dir.live {
                if let Node::File(inode) = node {
                    let len = self.inodes.get(*inode).map_or(0, |file| file.live.len());
                    files.push((path.join(name), len as u64));
                }
            }
        }
        files.sort();
        files
    }

    pub(crate) fn used_bytes(&self) -> u64 {
        self.files().iter().map(|(_, len)| len).sum()
    }

    pub(crate) fn restart(&mut self) {
        self.off = false;
        self.calls_left = None;
        self.boot = self.boot.saturating_add(1);
        for file in &mut self.inodes {
            file.lose_pending(&mut self.random);
            file.live.clone_from(&file.durable);
        }
        for dir in self.dirs.values_mut() {
            dir.lose_pending(&mut self.random);
        }
        self.drop_unreachable_dirs();
    }

    /// A directory whose own name was lost takes its content with it.
    fn drop_unreachable_dirs(&mut self) {
        let mut reachable = BTreeMap::new();
        for (path, dir) in std::mem::take(&mut self.dirs) {
            // Parents sort before their children.
            let named = match split(&path) {
                Ok((parent, name)) => reachable
                    .get(parent)
                    .is_some_and(|parent: &Dir| parent.live.get(name) == Some(&Node::Directory)),
                Err(_) => true,
            };
            if named {
                reachable.insert(path, dir);
            }
        }
        self.dirs = reachable;
        let paths: Vec<PathBuf> = self.dirs.keys().cloned().collect();
        for (path, dir) in &mut self.dirs {
            dir.live
                .retain(|name, node| *node != Node::Directory || paths.contains(&path.join(name)));
            dir.durable.clone_from(&dir.live);
        }
    }

    fn check_power(&self) -> io::Result<()> {
        if self.off {
            return Err(io::Error::other("the power is off"));
        }
        Ok(())
    }

    fn changing_call(&mut self) -> io::Result<()> {
        match &mut self.calls_left {
            Some(0) => self.off = true,
            Some(left) => *left = left.saturating_sub(1),
            None => {}
        }
        self.check_power()
    }

    fn random_fault(&mut self, per_10_000: u32) -> bool {
        per_10_000 > 0 && self.random.chance(per_10_000)
    }

    fn write_part(&mut self, inode: usize, bytes: &[u8], offset: usize) {
        let kept = self.random.below(bytes.len() as u64);
        let kept = usize::try_from(kept).unwrap_or(0);
        let bytes = bytes.get(..kept).unwrap_or_default().to_vec();
        if let Ok(file) = self.inode_mut(inode) {
            let end = offset.saturating_add(bytes.len());
            if end <= file.live.len() {
                let change = Change::Write { offset, bytes };
                change.apply(&mut file.live);
                file.pending.push(change);
            }
        }
    }

    fn apply(&mut self, inode: usize, change: Change) -> io::Result<()> {
        let file = self.inode_mut(inode)?;
        change.apply(&mut file.live);
        file.pending.push(change);
        Ok(())
    }

    fn inode(&self, inode: usize) -> io::Result<&Inode> {
        self.inodes.get(inode).ok_or(io::ErrorKind::NotFound.into())
    }

    fn inode_mut(&mut self, inode: usize) -> io::Result<&mut Inode> {
        let file = self.inodes.get_mut(inode);
        file.ok_or(io::ErrorKind::NotFound.into())
    }

    fn dir(&mut self, path: &Path) -> io::Result<&mut Dir> {
        let live = match split(path) {
            Ok((parent, name)) => self
                .dirs
                .get(parent)
                .is_some_and(|parent| parent.live.get(name) == Some(&Node::Directory)),
            Err(_) => true,
        };
        let dir = self.dirs.get_mut(path).filter(|_| live);
        dir.ok_or(io::ErrorKind::NotFound.into())
    }
}

impl Inode {
    /// Makes any part of what is pending durable and forgets the rest.
    fn lose_pending(&mut self, random: &mut SimRandom) {
        // Often nothing, often everything, often something: each of them finds other faults.
        let kept_per_10_000 = match random.below(4) {
            0 => 0,
            1 => 10_000,
            2 => 9_000,
            _ => 5_000,
        };
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Length(_) => {
                    if random.chance(kept_per_10_000) {
                        change.apply(&mut self.durable);
                    }
                }
                Change::Write { offset, bytes } => {
                    lose_sectors(&mut self.durable, offset, &bytes, random, kept_per_10_000);
                }
            }
        }
    }
}

/// Applies the sectors of a write that chance keeps.
fn lose_sectors(
    to: &mut Vec<u8>,
    offset: usize,
    bytes: &[u8],
    random: &mut SimRandom,
    kept_per_10_000: u32,
) {
    let mut at = offset;
    let mut rest = bytes;
    while !rest.is_empty() {
        let to_boundary = SECTOR_BYTES - at % SECTOR_BYTES;
        let (sector, after) = rest.split_at(to_boundary.min(rest.len()));
        if random.chance(kept_per_10_000) {
            let bytes = sector.to_vec();
            Change::Write { offset: at, bytes }.apply(to);
        }
        at = at.saturating_add(sector.len());
        rest = after;
    }
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Length(len) => to.resize(*len, 0),
            Self::Write { offset, bytes } => {
                let end = offset.saturating_add(bytes.len());
                if to.len() < end {
                    to.resize(end, 0);
                }
                if let Some(target) = to.get_mut(*offset..end) {
                    target.copy_from_slice(bytes);
                }
            }
        }
    }
}

impl Dir {
    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }

    fn lose_pending(&mut self, random: &mut SimRandom) {
        for change in std::mem::take(&mut self.pending) {
            if random.chance(5_000) {
                change.apply(&mut self.durable);
            }
        }
        self.live.clone_from(&self.durable);
    }
}

impl NameChange {
    fn apply(&self, to: &mut BTreeMap<String, Node>) {
        match self {
            Self::Link(name, node) => {
                to.insert(name.clone(), *node);
            }
            Self::Unlink(name) => {
                to.remove(name);
            }
            Self::Rename {
                from,
                to: name,
                node,
            } => {
                to.remove(from);
                to.insert(name.clone(), *node);
            }
        }
    }
}

fn split(path: &Path) -> io::Result<(&Path, &str)> {
    match (
        path.parent(),
        path.file_name().and_then(|name| name.to_str()),
    ) {
        (Some(parent), Some(name)) => Ok((parent, name)),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn input_output_error() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())
}
