//! Reading records by Seq, by block, and as they arrive.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use disk::{Access, File};
use event::{Record, Seq};

use crate::block::{self, BlockHeader, HEADER_BYTES, checksum_holds};
use crate::cache::BlockKey;
use crate::error::ReadError;
use crate::map::{Located, PartitionInfo};
use crate::shared::Shared;

/// Reads records that are durable; cheap to clone, used by any number of threads beside the writer.
///
/// What retention has dropped, or damage has taken and recovery has set aside, is simply not there. Damage not met
/// before is a [`ReadError::Damaged`].
#[derive(Clone, Debug)]
pub struct Reader {
    shared: Arc<Shared>,
}

/// A run of records that are decoded together: a unit of parallel scans.
///
/// It stays readable while the segment is sealed into other blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRef {
    /// Its first Seq.
    pub first: Seq,
    /// Its last Seq.
    pub last: Seq,
    /// The partition it is in.
    pub partition: Seq,
}

/// How often a block that has just been sealed or dropped is looked up again.
const LOOKUPS_MAX: u32 = 8;

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The last Seq that is durable; [`Seq::ZERO`] before the first.
    #[must_use]
    pub fn durable(&self) -> Seq {
        self.shared.durable()
    }

    /// The record of this Seq; `None` where there is none, or none any more.
    ///
    /// # Errors
    /// Damage, or a disk that fails.
    pub fn get(&self, seq: Seq) -> Result<Option<Record>, ReadError> {
        Ok(self.get_many(&[seq])?.pop())
    }

    /// The records of these Seqs, which must ascend; those that do not exist are left out. Each block is read once.
    ///
    /// # Errors
    /// Damage, or a disk that fails: use [`Reader::get`] to tell which are still readable.
    pub fn get_many(&self, seqs: &[Seq]) -> Result<Vec<Record>, ReadError> {
        debug_assert!(seqs.is_sorted(), "get_many takes Seqs in ascending order");
        let durable = self.durable();
        let mut found = Vec::with_capacity(seqs.len());
        let mut block: Option<Arc<[Record]>> = None;
        for seq in seqs.iter().copied().filter(|seq| *seq <= durable) {
            let in_block = block.as_ref().and_then(|block| find(block, seq));
            if let Some(record) = in_block {
                found.push(owned(record));
                continue;
            }
            block = self.block_of(seq)?;
            found.extend(block.as_ref().and_then(|block| find(block, seq)).map(owned));
        }
        Ok(found)
    }

    /// Gives `take` the raw bytes of these Seqs, which must ascend; those that do not exist are left out. Each block is
    /// read once and nothing is kept of it: for scans, which are twice as fast as with records. `sieve` is asked about the
    /// bytes of many records at once, with others between them; what it says is handed on with each of these.
    ///
    /// # Errors
    /// Damage, or a disk that fails. What came before it has been given.
    pub fn each_raw(
        &self,
        seqs: &[Seq],
        sieve: impl Fn(&[u8]) -> bool,
        mut take: impl FnMut(Seq, &[u8], bool),
    ) -> Result<(), ReadError> {
        debug_assert!(seqs.is_sorted(), "each_raw takes Seqs in ascending order");
        let durable = self.durable();
        let mut left = seqs;
        while let Some(first) = left.first().filter(|first| **first <= durable) {
            let read = self.located(*first, |located| {
                Ok((located.clone(), read_payload(&self.shared, located)?))
            })?;
            let Some((located, (header, payload))) = read else {
                return Ok(());
            };
            // Those before the block's first are not kept any more.
            let of_block = left.partition_point(|seq| *seq <= header.last.min(durable));
            let (wanted, rest) = left.split_at(of_block);
            let mut wanted = wanted.iter().copied().peekable();
            let passed = sieve(&payload);
            for raw in block::raws(&header, &payload) {
                let (seq, raw) = raw.map_err(|error| damaged(&located, error.to_string()))?;
                while wanted.next_if(|next| *next < seq).is_some() {}
                if wanted.next_if_eq(&seq).is_some() {
                    take(seq, raw, passed);
                }
            }
            left = rest;
        }
        Ok(())
    }

    /// The blocks that hold the Seqs `from` to `to`, both included, ascending; each clipped to that span.
    #[must_use]
    pub fn blocks(&self, from: Seq, to: Seq) -> Vec<BlockRef> {
        let to = to.min(self.durable());
        let map = self.shared.map();
        let mut blocks = Vec::new();
        for (id, segment) in map.segments() {
            if segment.contents.last < from {
                continue;
            }
            let entries = &segment.contents.blocks;
            let start = entries.partition_point(|entry| entry.last < from);
            let wanted = entries.iter().skip(start);
            for entry in wanted.take_while(|entry| entry.first <= to) {
                if !entry.is_gap() {
                    blocks.push(BlockRef {
                        first: entry.first.max(from),
                        last: entry.last.min(to),
                        partition: id.partition,
                    });
                }
            }
        }
        blocks
    }

    /// The records of a block, ascending; fewer or none where retention has dropped them since.
    ///
    /// # Errors
    /// Damage, or a disk that fails.
    pub fn read_block(&self, block: &BlockRef) -> Result<Vec<Record>, ReadError> {
        let mut records = Vec::new();
        let mut next = block.first;
        while next <= block.last {
            let Some(mut read) = self.block_from(next)? else {
                break;
            };
            let Some(end) = read.last().map(|last| last.seq.next()) else {
                break;
            };
            read.retain(|record| (next..=block.last).contains(&record.seq));
            records.append(&mut read);
            next = end;
        }
        Ok(records)
    }

    /// Reads what is durable from `from` on, and then what arrives.
    #[must_use]
    pub fn tail(&self, from: Seq) -> Tail {
        Tail {
            reader: self.clone(),
            next: from.max(Seq(1)),
        }
    }

    /// The partitions that hold records, oldest first.
    #[must_use]
    pub fn partitions(&self) -> Vec<PartitionInfo> {
        self.shared.map().infos()
    }

    /// The partition that a Seq belongs to, by its first Seq; `None` for what was dropped or before the first record.
    #[must_use]
    pub fn partition_of(&self, seq: Seq) -> Option<Seq> {
        self.shared.map().partition_of(seq)
    }

    /// The records of the block that holds `seq`, from the cache or into it.
    fn block_of(&self, seq: Seq) -> Result<Option<Arc<[Record]>>, ReadError> {
        let block = self.located(seq, |located| self.load_kept(located))?;
        Ok(block.filter(|block| find(block, seq).is_some()))
    }

    /// The records of the first block that ends at or after `seq`, past the cache: scans would only flush it.
    fn block_from(&self, seq: Seq) -> Result<Option<Vec<Record>>, ReadError> {
        self.located(seq, |located| {
            let cached = self.shared.cache().find(key(located));
            match cached {
                Some(records) => Ok(records.to_vec()),
                None => read_located(&self.shared, located),
            }
        })
    }

    /// Does something with the first block that ends at or after `seq`.
    fn located<T>(
        &self,
        seq: Seq,
        load: impl Fn(&Located) -> Result<T, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        let mut lookups = 0u32;
        loop {
            let located = self.shared.map().block_from(seq);
            let Some(located) = located else {
                return Ok(None);
            };
            lookups = lookups.saturating_add(1);
            match load(&located) {
                // Sealed or dropped between the look-up and the opening: the map knows better by now.
                Err(ReadError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound && lookups < LOOKUPS_MAX => {}
                other => return other.map(Some),
            }
        }
    }

    fn load_kept(&self, located: &Located) -> Result<Arc<[Record]>, ReadError> {
        let cached = self.shared.cache().find(key(located));
        if let Some(records) = cached {
            return Ok(records);
        }
        let payload_bytes = usize::try_from(located.entry.raw_len).unwrap_or(usize::MAX);
        let records: Arc<[Record]> = read_located(&self.shared, located)?.into();
        let mut cache = self.shared.cache();
        cache.keep(key(located), &records, payload_bytes);
        drop(cache);
        Ok(records)
    }
}

/// The name of a block in the cache.
fn key(located: &Located) -> BlockKey {
    (located.tag, located.entry.first)
}

/// Follows the journal. Made by [`Reader::tail`].
#[derive(Debug)]
pub struct Tail {
    reader: Reader,
    next: Seq,
}

impl Tail {
    /// The next records, ascending, as many as lie in one block; `None` when none came within `timeout` or the
    /// journal has ended.
    ///
    /// # Errors
    /// Damage, or a disk that fails. After damage the next call goes on behind it.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Vec<Record>>, ReadError> {
        let shared = &self.reader.shared;
        if !shared.wait_for(self.next, timeout) {
            return Ok(None);
        }
        let durable = shared.durable();
        let block = match self.reader.block_from(self.next) {
            Ok(block) => block,
            Err(error) => {
                if let ReadError::Damaged { last, .. } = &error {
                    self.next = self.next.max(last.next());
                }
                return Err(error);
            }
        };
        let Some(mut records) = block else {
            // All that was left is gone: dropped, or lost to damage.
            self.next = durable.next();
            return Ok(None);
        };
        let next = self.next;
        records.retain(|record| record.seq >= next && record.seq <= durable);
        if let Some(last) = records.last() {
            self.next = last.seq.next();
        }
        Ok(Some(records))
    }

    /// The Seq from which [`Tail::next`] goes on.
    #[must_use]
    pub fn position(&self) -> Seq {
        self.next
    }
}

fn find(block: &[Record], seq: Seq) -> Option<&Record> {
    let at = block.binary_search_by_key(&seq, |record| record.seq).ok()?;
    block.get(at)
}

/// The record with its own bytes, so that it does not keep the whole block in memory.
fn owned(record: &Record) -> Record {
    Record {
        raw: Bytes::copy_from_slice(&record.raw),
        ..record.clone()
    }
}

/// Reads, checks and decodes a block.
pub(crate) fn read_located(shared: &Shared, located: &Located) -> Result<Vec<Record>, ReadError> {
    let (header, payload) = read_payload(shared, located)?;
    block::records(&header, payload).map_err(|error| damaged(located, error.to_string()))
}

/// Reads, checks and decompresses a block.
pub(crate) fn read_payload(
    shared: &Shared,
    located: &Located,
) -> Result<(BlockHeader, Vec<u8>), ReadError> {
    let failed = |source: io::Error| ReadError::Io {
        path: located.path.clone(),
        source: Arc::new(source),
    };
    let opened: Box<dyn File>;
    let file: &dyn File = if let Some(file) = &located.file {
        file.as_ref()
    } else {
        let access = Access::Read;
        opened = shared.disk.open(&located.path, access).map_err(failed)?;
        opened.as_ref()
    };
    let len = usize::try_from(located.entry.len).unwrap_or(usize::MAX);
    let mut stored = vec![0; len.saturating_sub(HEADER_BYTES)];
    let mut head = [0; HEADER_BYTES];
    let payload_at = located.entry.offset.saturating_add(HEADER_BYTES as u64);
    let read = file
        .read_exact_at(&mut head, located.entry.offset)
        .and_then(|()| file.read_exact_at(&mut stored, payload_at));
    match read {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(damaged(located, "the file is too short".to_owned()));
        }
        Err(error) => return Err(failed(error)),
    }
    let wrong = |what: &str| damaged(located, what.to_owned());
    let header = BlockHeader::decode(&head).ok_or_else(|| wrong("there is no block"))?;
    if header.total_len() != u64::from(located.entry.len) || !checksum_holds(&head, &stored) {
        return Err(wrong("the checksum does not hold"));
    }
    if header.tag != located.tag || header.first != located.entry.first {
        return Err(wrong("another block lies there"));
    }
    let payload = block::decompress(&header, stored);
    let payload = payload.map_err(|error| wrong(&error.to_string()))?;
    Ok((header, payload))
}

fn damaged(located: &Located, reason: String) -> ReadError {
    let path: PathBuf = located.path.clone();
    ReadError::Damaged {
        first: located.entry.first,
        last: located.entry.last,
        path,
        reason,
    }
}
