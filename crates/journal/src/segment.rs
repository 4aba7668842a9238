//! Segment files: a head page, blocks, and, once sealed, a directory of the blocks and a trailer.
//!
//! The head page, 4096 bytes, little-endian:
//!
//! ```text
//!    0  u8×4  "NKs" and the version, 1
//!    4  u8    form: 0 hot, 1 sealed
//!    5  u8×3  zero
//!    8  u64   partition: its first Seq
//!   16  u64   ordinal of the segment within the partition
//!   24  u64   first Seq
//!   32  i64   UTC day of the partition, counted from 1970-01-01
//!   40  i64   when the file was made, microseconds
//!   48  u64   bytes reserved for the file; 0 when sealed
//!   56  u64   synced_seq
//!   64  u64   seen_us
//!   72  u8×32 h before its first record
//!  104  u8    zero, up to
//! 4092  u32   CRC32C of bytes 0 to 4091
//! ```
//!
//! The segment's *tag* is the first 8 bytes of the SHA-256 of this page, read as a number.

use std::path::{Path, PathBuf};

use event::{Micros, Seq};
use sha2::{Digest, Sha256};

use crate::block::{BlockHeader, BlockKind};
use crate::chain::ChainHash;
use crate::wire::{Cursor, len_u32};

/// Bytes of the head page, and the alignment of hot blocks: what a kernel writes at once, so that no byte that is
/// durable is ever written again.
pub(crate) const PAGE_BYTES: usize = 4096;
/// The same, as a file offset.
pub(crate) const PAGE: u64 = 4096;
const MAGIC: [u8; 4] = *b"NKs\x01";
const TRAILER_MAGIC: [u8; 4] = *b"NKt\x01";
/// Bytes of one entry of a sealed segment's directory.
pub(crate) const ENTRY_BYTES: usize = 36;
/// Bytes of a sealed segment's trailer.
pub(crate) const TRAILER_BYTES: usize = 100;

/// The first multiple of the page size at or above `offset`.
pub(crate) fn page_up(offset: u64) -> u64 {
    offset.checked_next_multiple_of(PAGE).unwrap_or(u64::MAX)
}

/// Which form a segment's file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Being appended to, or waiting to be sealed: lz4, blocks on page boundaries.
    Hot,
    /// Rewritten with zstd; never changes.
    Sealed,
}

/// Where a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentId {
    /// The partition's first Seq.
    pub(crate) partition: Seq,
    pub(crate) ordinal: u32,
}

impl SegmentId {
    pub(crate) fn path(self, class_dir: &Path, form: Form) -> PathBuf {
        let extension = match form {
            Form::Hot => "hot",
            Form::Sealed => "sealed",
        };
        self.named(class_dir, extension)
    }

    /// The name under which a file of this segment is made before it is whole.
    pub(crate) fn new_path(self, class_dir: &Path) -> PathBuf {
        self.named(class_dir, "new")
    }

    fn named(self, class_dir: &Path, extension: &str) -> PathBuf {
        let file = format!("{:06}.{extension}", self.ordinal);
        partition_dir(class_dir, self.partition).join(file)
    }
}

/// The directory of the partition that begins with `first`.
pub(crate) fn partition_dir(class_dir: &Path, first: Seq) -> PathBuf {
    class_dir.join(format!("{:016}", first.0))
}

/// The first Seq of the partition whose directory has this name.
pub(crate) fn partition_name(name: &str) -> Option<Seq> {
    let digits = name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| name.parse().ok().map(Seq)).flatten()
}

/// The ordinal and the form of the segment whose file has this name.
pub(crate) fn segment_name(name: &str) -> Option<(u32, Form)> {
    let (digits, extension) = name.split_once('.')?;
    let form = match extension {
        "hot" => Form::Hot,
        "sealed" => Form::Sealed,
        _ => return None,
    };
    let plain = digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let ordinal: u32 = digits.parse().ok().filter(|_| plain)?;
    (name == format!("{ordinal:06}.{extension}")).then_some((ordinal, form))
}

/// What a segment's head page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    pub(crate) form: Form,
    pub(crate) id: SegmentId,
    pub(crate) first: Seq,
    pub(crate) utc_day: i64,
    pub(crate) created_at: Micros,
    pub(crate) allocated: u64,
    pub(crate) synced: Seq,
    pub(crate) seen_us: u64,
    pub(crate) h_before: ChainHash,
}

impl SegmentHead {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut page = Vec::with_capacity(PAGE_BYTES);
        page.extend_from_slice(&MAGIC);
        page.push(match self.form {
            Form::Hot => 0,
            Form::Sealed => 1,
        });
        page.extend_from_slice(&[0; 3]);
        page.extend_from_slice(&self.id.partition.0.to_le_bytes());
        page.extend_from_slice(&u64::from(self.id.ordinal).to_le_bytes());
        page.extend_from_slice(&self.first.0.to_le_bytes());
        page.extend_from_slice(&self.utc_day.to_le_bytes());
        page.extend_from_slice(&self.created_at.0.to_le_bytes());
        page.extend_from_slice(&self.allocated.to_le_bytes());
        page.extend_from_slice(&self.synced.0.to_le_bytes());
        page.extend_from_slice(&self.seen_us.to_le_bytes());
        page.extend_from_slice(&self.h_before.0);
        page.resize(PAGE_BYTES.saturating_sub(4), 0);
        let crc = crc32c::crc32c(&page);
        page.extend_from_slice(&crc.to_le_bytes());
        page
    }

    /// Reads a head page; `None` where it is damaged.
    pub(crate) fn decode(page: &[u8; PAGE_BYTES]) -> Option<Self> {
        let (body, crc) = page.split_last_chunk::<4>()?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut cursor = Cursor::new(body);
        if cursor.array::<4>()? != MAGIC {
            return None;
        }
        let form = match cursor.u32()? {
            0 => Form::Hot,
            1 => Form::Sealed,
            _ => return None,
        };
        let partition = Seq(cursor.u64()?);
        let ordinal = u32::try_from(cursor.u64()?).ok()?;
        Some(Self {
            form,
            id: SegmentId { partition, ordinal },
            first: Seq(cursor.u64()?),
            utc_day: cursor.i64()?,
            created_at: Micros(cursor.i64()?),
            allocated: cursor.u64()?,
            synced: Seq(cursor.u64()?),
            seen_us: cursor.u64()?,
            h_before: ChainHash(cursor.array()?),
        })
    }
}

/// The tag of the segment whose head page this is.
pub(crate) fn tag(page: &[u8]) -> u64 {
    let digest: [u8; 32] = Sha256::digest(page).into();
    let first = digest.first_chunk::<8>().copied().unwrap_or_default();
    u64::from_le_bytes(first)
}

/// Where a block lies, as kept in memory and in a sealed segment's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockEntry {
    pub(crate) offset: u64,
    pub(crate) first: Seq,
    pub(crate) last: Seq,
    /// Bytes of header and stored payload.
    pub(crate) len: u32,
    /// Bytes of the payload when uncompressed.
    pub(crate) raw_len: u32,
    /// Zero for a gap.
    pub(crate) records: u32,
}

impl BlockEntry {
    pub(crate) fn new(offset: u64, header: &BlockHeader) -> Self {
        Self {
            offset,
            first: header.first,
            last: header.last,
            len: u32::try_from(header.total_len()).unwrap_or(u32::MAX),
            raw_len: header.raw_len,
            records: header.records,
        }
    }

    /// Whether it stands for records that were lost.
    pub(crate) fn is_gap(&self) -> bool {
        self.records == 0
    }
}

/// What a segment holds as a whole: the sums over its blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    /// The blocks with Seqs, ascending.
    pub(crate) blocks: Vec<BlockEntry>,
    pub(crate) records: u64,
    pub(crate) raw_bytes: u64,
    pub(crate) oldest: Micros,
    pub(crate) newest: Micros,
    pub(crate) seen_us: u64,
    /// The last Seq; the one before the segment's first where it holds none.
    pub(crate) last: Seq,
    pub(crate) h_after: ChainHash,
}

impl Contents {
    /// Of a segment that holds nothing yet.
    pub(crate) fn empty(first: Seq, h_before: ChainHash) -> Self {
        Self {
            blocks: Vec::new(),
            records: 0,
            raw_bytes: 0,
            oldest: Micros::MAX,
            newest: Micros::MIN,
            seen_us: 0,
            last: Seq(first.0.saturating_sub(1)),
            h_after: h_before,
        }
    }

    /// Counts a block in.
    pub(crate) fn add(&mut self, offset: u64, header: &BlockHeader) {
        self.seen_us = self.seen_us.max(header.seen_us);
        if !header.has_seqs() {
            return;
        }
        self.blocks.push(BlockEntry::new(offset, header));
        self.records = self.records.saturating_add(u64::from(header.records));
        self.last = header.last;
        self.h_after = header.h_after;
        if header.kind == BlockKind::Records {
            self.raw_bytes = self.raw_bytes.saturating_add(u64::from(header.raw_len));
            self.oldest = self.oldest.min(header.oldest);
            self.newest = self.newest.max(header.newest);
        }
    }

    /// The first Seq, if there is any.
    pub(crate) fn first(&self) -> Option<Seq> {
        self.blocks.first().map(|block| block.first)
    }

    /// The directory and trailer that end a sealed segment: its blocks end at `directory_at`.
    ///
    /// ```text
    /// for each block: u64 offset, u64 first Seq, u64 last Seq, u32 bytes with header, u32 payload bytes uncompressed,
    ///                 u32 records (0: a gap)
    /// trailer:  0 u8×4 "NKt" and the version, 1     4 u32 blocks      8 u64 records     16 u64 payload bytes
    ///          24 i64 least receipt time           32 i64 greatest   40 u64 seen_us    48 u64 last Seq
    ///          56 u8×32 h after the last record    88 u64 offset of the directory
    ///          96 u32 CRC32C of the directory and of bytes 0 to 95
    /// ```
    pub(crate) fn encode_trailer(&self, directory_at: u64) -> Vec<u8> {
        let size = self.blocks.len().saturating_mul(ENTRY_BYTES);
        let mut bytes = Vec::with_capacity(size.saturating_add(TRAILER_BYTES));
        for block in &self.blocks {
            bytes.extend_from_slice(&block.offset.to_le_bytes());
            bytes.extend_from_slice(&block.first.0.to_le_bytes());
            bytes.extend_from_slice(&block.last.0.to_le_bytes());
            bytes.extend_from_slice(&block.len.to_le_bytes());
            bytes.extend_from_slice(&block.raw_len.to_le_bytes());
            bytes.extend_from_slice(&block.records.to_le_bytes());
        }
        bytes.extend_from_slice(&TRAILER_MAGIC);
        bytes.extend_from_slice(&len_u32(self.blocks.len()).to_le_bytes());
        bytes.extend_from_slice(&self.records.to_le_bytes());
        bytes.extend_from_slice(&self.raw_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.oldest.0.to_le_bytes());
        bytes.extend_from_slice(&self.newest.0.to_le_bytes());
        bytes.extend_from_slice(&self.seen_us.to_le_bytes());
        bytes.extend_from_slice(&self.last.0.to_le_bytes());
        bytes.extend_from_slice(&self.h_after.0);
        bytes.extend_from_slice(&directory_at.to_le_bytes());
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The offset of the directory and the number of its blocks, from a trailer not yet checked.
    pub(crate) fn peek_trailer(trailer: &[u8; TRAILER_BYTES]) -> Option<(u64, u32)> {
        let mut cursor = Cursor::new(trailer);
        if cursor.array::<4>()? != TRAILER_MAGIC {
            return None;
        }
        let blocks = cursor.u32()?;
        cursor.take(80)?;
        Some((cursor.u64()?, blocks))
    }

    /// Reads directory and trailer together; `None` where they are damaged.
    pub(crate) fn decode_trailer(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let directory_len = bytes.len().checked_sub(TRAILER_BYTES)?;
        let (directory, trailer) = body.split_at_checked(directory_len)?;
        let mut blocks = Vec::with_capacity(directory_len.checked_div(ENTRY_BYTES)?);
        let mut cursor = Cursor::new(directory);
        while !cursor.is_empty() {
            blocks.push(BlockEntry {
                offset: cursor.u64()?,
                first: Seq(cursor.u64()?),
                last: Seq(cursor.u64()?),
                len: cursor.u32()?,
                raw_len: cursor.u32()?,
                records: cursor.u32()?,
            });
        }
        let mut cursor = Cursor::new(trailer);
        cursor.take(8)?;
        Some(Self {
            blocks,
            records: cursor.u64()?,
            raw_bytes: cursor.u64()?,
            oldest: Micros(cursor.i64()?),
            newest: Micros(cursor.i64()?),
            seen_us: cursor.u64()?,
            last: Seq(cursor.u64()?),
            h_after: ChainHash(cursor.array()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_page_reads_back_and_every_changed_byte_is_noticed() {
        let head = SegmentHead {
            form: Form::Sealed,
            id: SegmentId {
                partition: Seq(7),
                ordinal: 3,
            },
            first: Seq(9),
            utc_day: 20_000,
            created_at: Micros(5),
            allocated: 0,
            synced: Seq(8),
            seen_us: 77,
            h_before: ChainHash([3; 32]),
        };
        let page: [u8; PAGE_BYTES] = head.encode().try_into().unwrap();
        assert_eq!(SegmentHead::decode(&page), Some(head));
        for at in 0..PAGE_BYTES {
            let mut changed = page;
            changed[at] ^= 0x10;
            assert_eq!(SegmentHead::decode(&changed), None);
        }
    }

    #[test]
    fn a_trailer_reads_back() {
        let mut contents = Contents::empty(Seq(1), ChainHash::START);
        contents.blocks = vec![BlockEntry {
            offset: 4096,
            first: Seq(1),
            last: Seq(3),
            len: 500,
            raw_len: 900,
            records: 3,
        }];
        contents.records = 3;
        let bytes = contents.encode_trailer(4596);
        assert_eq!(bytes.len(), ENTRY_BYTES + TRAILER_BYTES);
        let trailer = bytes.last_chunk().unwrap();
        assert_eq!(Contents::peek_trailer(trailer), Some((4596, 1)));
        assert_eq!(Contents::decode_trailer(&bytes), Some(contents));
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        let id = SegmentId {
            partition: Seq(12),
            ordinal: 5,
        };
        let path = id.path(Path::new("/j"), Form::Hot);
        assert_eq!(path, Path::new("/j/0000000000000012/000005.hot"));
        assert_eq!(segment_name("000005.hot"), Some((5, Form::Hot)));
        assert_eq!(segment_name("5.hot"), None);
        assert_eq!(segment_name("000005.new"), None);
        assert_eq!(partition_name("0000000000000012"), Some(Seq(12)));
        assert_eq!(partition_name("12"), None);
    }
}
