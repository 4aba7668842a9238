//! Blocks: runs of records, compressed together, under one header and one checksum.
//!
//! The header, little-endian, 148 bytes, before the stored payload:
//!
//! ```text
//!   0  u8×4  "NKb" and the version, 1
//!   4  u8    kind: 0 records, 1 idle (no records), 2 closed (no records; the writer stopped cleanly), 3 gap
//!   5  u8    codec of the payload: 0 none, 1 lz4 block, 2 zstd frame
//!   6  u16   zero
//!   8  u64   tag: the segment's, so that bytes inside a message never pass for a block
//!  16  u64   first Seq; without records the next Seq to come
//!  24  u64   last Seq; without records the one before `first`
//!  32  u32   records
//!  36  u32   payload bytes when uncompressed
//!  40  u32   payload bytes as stored
//!  44  u32   padding: zeros behind the stored payload, up to a page boundary in hot segments, none in sealed ones
//!  48  u64   synced_seq: the last Seq known durable when this was written
//!  56  u64   seen_us: time that the node has seen passing, in microseconds, when this was written
//!  64  i64   least receipt time of its records, microseconds; 0 without records
//!  72  i64   greatest
//!  80  u8×32 h before its first record
//! 112  u8×32 h after its last record
//! 144  u32   CRC32C of bytes 0 to 143, of the stored payload and of the padding
//! ```
//!
//! The payload is, for each record, the length of its canonical encoding as u32, and the encoding. A *gap* stands for
//! records that were lost to damage: it has Seqs, but its payload is a text for people.

use std::cell::RefCell;

use bytes::Bytes;
use event::{Micros, Record, Seq};

use crate::canonical::{self, Decoder};
use crate::chain::ChainHash;
use crate::segment::{PAGE, PAGE_BYTES, page_up};
use crate::wire::{Cursor, len_u32};

/// Bytes of a block's header.
pub(crate) const HEADER_BYTES: usize = 148;
/// The most that a payload may hold, compressed or not; bounds what a damaged length makes a reader allocate.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 96 << 20;
const MAGIC: [u8; 4] = *b"NKb\x01";
const ZEROS: [u8; PAGE_BYTES] = [0; PAGE_BYTES];
const CRC_AT: usize = HEADER_BYTES - 4;

/// What a block stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    Records,
    Idle,
    Closed,
    Gap,
}

/// How a payload is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    None,
    Lz4,
    Zstd,
}

/// What a block's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) kind: BlockKind,
    pub(crate) codec: Codec,
    pub(crate) tag: u64,
    pub(crate) first: Seq,
    pub(crate) last: Seq,
    pub(crate) records: u32,
    pub(crate) raw_len: u32,
    pub(crate) stored_len: u32,
    pub(crate) padding: u32,
    pub(crate) synced: Seq,
    pub(crate) seen_us: u64,
    pub(crate) oldest: Micros,
    pub(crate) newest: Micros,
    pub(crate) h_before: ChainHash,
    pub(crate) h_after: ChainHash,
}

impl BlockHeader {
    /// Bytes of header, stored payload and padding together.
    pub(crate) fn total_len(&self) -> u64 {
        let body = u64::from(self.stored_len).saturating_add(u64::from(self.padding));
        (HEADER_BYTES as u64).saturating_add(body)
    }

    /// The same block, padded so that the next one begins on a page.
    pub(crate) fn padded(self) -> Self {
        let bare = Self { padding: 0, ..self };
        let padding = page_up(bare.total_len()).saturating_sub(bare.total_len());
        let padding = u32::try_from(padding).unwrap_or(0);
        Self { padding, ..bare }
    }

    /// Whether it stands for Seqs: records or the lack of them.
    pub(crate) fn has_seqs(&self) -> bool {
        matches!(self.kind, BlockKind::Records | BlockKind::Gap)
    }

    /// The Seq that the next block must begin with.
    pub(crate) fn next(&self) -> Seq {
        self.last.next()
    }

    /// Appends header, stored payload and padding.
    pub(crate) fn encode(&self, stored: &[u8], to: &mut Vec<u8>) {
        let start = to.len();
        to.extend_from_slice(&MAGIC);
        to.push(match self.kind {
            BlockKind::Records => 0,
            BlockKind::Idle => 1,
            BlockKind::Closed => 2,
            BlockKind::Gap => 3,
        });
        to.push(match self.codec {
            Codec::None => 0,
            Codec::Lz4 => 1,
            Codec::Zstd => 2,
        });
        to.extend_from_slice(&[0; 2]);
        to.extend_from_slice(&self.tag.to_le_bytes());
        to.extend_from_slice(&self.first.0.to_le_bytes());
        to.extend_from_slice(&self.last.0.to_le_bytes());
        to.extend_from_slice(&self.records.to_le_bytes());
        to.extend_from_slice(&self.raw_len.to_le_bytes());
        to.extend_from_slice(&self.stored_len.to_le_bytes());
        to.extend_from_slice(&self.padding.to_le_bytes());
        to.extend_from_slice(&self.synced.0.to_le_bytes());
        to.extend_from_slice(&self.seen_us.to_le_bytes());
        to.extend_from_slice(&self.oldest.0.to_le_bytes());
        to.extend_from_slice(&self.newest.0.to_le_bytes());
        to.extend_from_slice(&self.h_before.0);
        to.extend_from_slice(&self.h_after.0);
        let header = to.get(start..).unwrap_or_default();
        debug_assert_eq!(header.len(), CRC_AT);
        let padding = usize::try_from(self.padding).unwrap_or(0);
        let zeros = ZEROS.get(..padding).unwrap_or_default();
        let crc = crc32c::crc32c_append(crc32c::crc32c(header), stored);
        let crc = crc32c::crc32c_append(crc, zeros);
        to.extend_from_slice(&crc.to_le_bytes());
        to.extend_from_slice(stored);
        to.extend_from_slice(zeros);
    }

    /// Reads a header; `None` where it is not one. The checksum is not looked at: see [`checksum_holds`].
    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        if cursor.array::<4>()? != MAGIC {
            return None;
        }
        let kind = match cursor.u8()? {
            0 => BlockKind::Records,
            1 => BlockKind::Idle,
            2 => BlockKind::Closed,
            3 => BlockKind::Gap,
            _ => return None,
        };
        let codec = match cursor.u8()? {
            0 => Codec::None,
            1 => Codec::Lz4,
            2 => Codec::Zstd,
            _ => return None,
        };
        let zero = cursor.u16()?;
        let header = Self {
            kind,
            codec,
            tag: cursor.u64()?,
            first: Seq(cursor.u64()?),
            last: Seq(cursor.u64()?),
            records: cursor.u32()?,
            raw_len: cursor.u32()?,
            stored_len: cursor.u32()?,
            padding: cursor.u32()?,
            synced: Seq(cursor.u64()?),
            seen_us: cursor.u64()?,
            oldest: Micros(cursor.i64()?),
            newest: Micros(cursor.i64()?),
            h_before: ChainHash(cursor.array()?),
            h_after: ChainHash(cursor.array()?),
        };
        (zero == 0 && header.is_plausible()).then_some(header)
    }

    fn is_plausible(&self) -> bool {
        let lengths = [self.raw_len, self.stored_len];
        let bounded = |len: &u32| usize::try_from(*len).is_ok_and(|len| len <= PAYLOAD_BYTES_MAX);
        let span = self.last.0.wrapping_add(1).wrapping_sub(self.first.0);
        let counted = match self.kind {
            BlockKind::Records => span == u64::from(self.records) && span > 0,
            BlockKind::Gap => self.records == 0 && span > 0 && self.first <= self.last,
            BlockKind::Idle | BlockKind::Closed => {
                span == 0 && self.records == 0 && self.h_before == self.h_after
            }
        };
        let padded = u64::from(self.padding) < PAGE;
        lengths.iter().all(bounded) && padded && self.last <= Seq::MAX && counted
    }
}

/// Whether header and what follows it, stored payload and padding, are what was written.
pub(crate) fn checksum_holds(header: &[u8; HEADER_BYTES], body: &[u8]) -> bool {
    let Some((head, crc)) = header.split_last_chunk::<4>() else {
        return false;
    };
    crc32c::crc32c_append(crc32c::crc32c(head), body) == u32::from_le_bytes(*crc)
}

/// Records on their way into a block.
#[derive(Debug)]
pub(crate) struct BlockBuilder {
    payload: Vec<u8>,
    first: Seq,
    records: u32,
    oldest: Micros,
    newest: Micros,
    h_before: ChainHash,
    h: ChainHash,
}

impl BlockBuilder {
    /// A block without records whose first will be `first` and will follow `h`.
    pub(crate) fn new(first: Seq, h: ChainHash) -> Self {
        Self {
            payload: Vec::new(),
            first,
            records: 0,
            oldest: Micros::MAX,
            newest: Micros::MIN,
            h_before: h,
            h,
        }
    }

    /// Begins the next block, keeping the memory.
    pub(crate) fn restart(&mut self, first: Seq, h: ChainHash) {
        let mut payload = std::mem::take(&mut self.payload);
        payload.clear();
        *self = Self {
            payload,
            ..Self::new(first, h)
        };
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records == 0
    }

    pub(crate) fn payload_len(&self) -> usize {
        self.payload.len()
    }

    pub(crate) fn h(&self) -> ChainHash {
        self.h
    }

    /// The Seq that the next record gets.
    pub(crate) fn next(&self) -> Seq {
        Seq(self.first.0.saturating_add(u64::from(self.records)))
    }

    /// Adds a record, whose origin is given encoded, as the next Seq.
    pub(crate) fn push(&mut self, record: &Record, origin: &[u8]) {
        let start = self.payload.len();
        self.payload.extend_from_slice(&[0; 4]);
        canonical::encode(record, self.next(), origin, &mut self.payload);
        let (length, encoding) = self
            .payload
            .get_mut(start..)
            .and_then(|own| own.split_first_chunk_mut::<4>())
            .expect("four bytes were just pushed");
        *length = len_u32(encoding.len()).to_le_bytes();
        self.h = self.h.after(encoding);
        self.count(record.received_at);
    }

    /// Adds a record as it lay in another block, with the chain's link after it as that block had it.
    pub(crate) fn push_encoded(&mut self, encoding: &[u8], received_at: Micros) {
        self.payload
            .extend_from_slice(&len_u32(encoding.len()).to_le_bytes());
        self.payload.extend_from_slice(encoding);
        self.h = self.h.after(encoding);
        self.count(received_at);
    }

    fn count(&mut self, received_at: Micros) {
        self.records = self.records.saturating_add(1);
        self.oldest = self.oldest.min(received_at);
        self.newest = self.newest.max(received_at);
    }

    /// The header that this block gets when its payload is stored as `stored` by `codec`.
    pub(crate) fn header(
        &self,
        codec: Codec,
        stored_len: usize,
        tag: u64,
        synced: Seq,
        seen_us: u64,
    ) -> BlockHeader {
        BlockHeader {
            kind: BlockKind::Records,
            codec,
            tag,
            first: self.first,
            last: Seq(self.next().0.saturating_sub(1)),
            records: self.records,
            raw_len: len_u32(self.payload.len()),
            stored_len: len_u32(stored_len),
            padding: 0,
            synced,
            seen_us,
            oldest: self.oldest,
            newest: self.newest,
            h_before: self.h_before,
            h_after: self.h,
        }
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }
}

/// Why a payload whose checksum holds is not what its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PayloadError {
    #[error("the payload does not decompress to the length that the header gives")]
    Compression,
    #[error("a record's encoding is not readable")]
    Record,
    #[error("the header's count or Seqs are not those of the records")]
    Count,
}

thread_local! {
    /// What zstd works with, which costs more to make than many a block to decompress.
    static DECOMPRESSOR: RefCell<zstd::bulk::Decompressor<'static>> =
        RefCell::new(zstd::bulk::Decompressor::new().expect("memory for zstd"));
}

/// The uncompressed payload of a block whose stored payload, with or without its padding, is `stored`.
pub(crate) fn decompress(
    header: &BlockHeader,
    mut stored: Vec<u8>,
) -> Result<Vec<u8>, PayloadError> {
    stored.truncate(usize::try_from(header.stored_len).unwrap_or(usize::MAX));
    let raw_len = usize::try_from(header.raw_len).map_err(|_| PayloadError::Compression)?;
    let payload = match header.codec {
        Codec::None => stored,
        Codec::Lz4 => {
            lz4_flex::block::decompress(&stored, raw_len).map_err(|_| PayloadError::Compression)?
        }
        Codec::Zstd => DECOMPRESSOR
            .with_borrow_mut(|decompressor| decompressor.decompress(&stored, raw_len))
            .map_err(|_| PayloadError::Compression)?,
    };
    if payload.len() != raw_len {
        return Err(PayloadError::Compression);
    }
    Ok(payload)
}

/// The canonical encodings in an uncompressed payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encodings<'a>(Cursor<'a>);

impl<'a> Encodings<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Self {
        Self(Cursor::new(payload))
    }
}

impl<'a> Iterator for Encodings<'a> {
    type Item = Result<&'a [u8], PayloadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let encoding = self.0.counted();
        if encoding.is_none() {
            self.0 = Cursor::new(&[]);
        }
        Some(encoding.ok_or(PayloadError::Record))
    }
}

/// Seq and raw bytes of each record of an uncompressed payload.
pub(crate) fn raws<'p>(
    header: &BlockHeader,
    payload: &'p [u8],
) -> impl Iterator<Item = Result<(Seq, &'p [u8]), PayloadError>> {
    let mut expected = header.first;
    Encodings::new(payload).map(move |encoding| {
        let raw = canonical::raw_of(encoding?).ok_or(PayloadError::Record)?;
        if raw.0 != expected {
            return Err(PayloadError::Count);
        }
        expected = expected.next();
        Ok(raw)
    })
}

/// The records of an uncompressed payload, whose raw bytes share its memory.
pub(crate) fn records(header: &BlockHeader, payload: Vec<u8>) -> Result<Vec<Record>, PayloadError> {
    let payload = Bytes::from(payload);
    let count = usize::try_from(header.records).map_err(|_| PayloadError::Count)?;
    let mut decoder = Decoder::default();
    let mut records = Vec::with_capacity(count.min(payload.len()));
    let mut expected = header.first;
    for encoding in Encodings::new(&payload) {
        let encoding = payload.slice_ref(encoding?);
        let record = decoder.decode(&encoding).ok_or(PayloadError::Record)?;
        if record.seq != expected {
            return Err(PayloadError::Count);
        }
        expected = expected.next();
        records.push(record);
    }
    if records.len() != count {
        return Err(PayloadError::Count);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use event::Origin;
    use proptest::prelude::*;

    use super::*;

    fn builder(count: u64) -> BlockBuilder {
        let mut builder = BlockBuilder::new(Seq(5), ChainHash::START);
        let mut origin = Vec::new();
        canonical::encode_origin(&Origin::own(), &mut origin);
        for n in 0..count {
            let at = Micros(i64::try_from(n).unwrap());
            let raw = Bytes::from(format!("message {n}"));
            builder.push(&Record::new(Arc::new(Origin::own()), at, raw), &origin);
        }
        builder
    }

    fn split(bytes: &[u8]) -> ([u8; HEADER_BYTES], Vec<u8>) {
        let (header, stored) = bytes.split_first_chunk::<HEADER_BYTES>().unwrap();
        (*header, stored.to_vec())
    }

    #[test]
    fn a_block_reads_back_in_every_codec() {
        for codec in [Codec::None, Codec::Lz4, Codec::Zstd] {
            let builder = builder(3);
            let stored = match codec {
                Codec::None => builder.payload().to_vec(),
                Codec::Lz4 => lz4_flex::block::compress(builder.payload()),
                Codec::Zstd => zstd::bulk::compress(builder.payload(), 3).unwrap(),
            };
            let header = builder.header(codec, stored.len(), 9, Seq(4), 11).padded();
            assert_eq!(header.total_len() % PAGE, 0);
            let mut bytes = Vec::new();
            header.encode(&stored, &mut bytes);
            assert_eq!(bytes.len() as u64, header.total_len());

            let (head, stored) = split(&bytes);
            assert!(checksum_holds(&head, &stored));
            assert_eq!(BlockHeader::decode(&head), Some(header));
            let records = records(&header, decompress(&header, stored).unwrap()).unwrap();
            assert_eq!(records.len(), 3);
            assert_eq!(records[2].seq, Seq(7));
            assert_eq!(records[2].raw, "message 2");
            assert_eq!((header.oldest, header.newest), (Micros(0), Micros(2)));
        }
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(bytes: Vec<u8>, header in any::<[u8; HEADER_BYTES]>()) {
            let mut header = header;
            header[..4].copy_from_slice(&MAGIC);
            header[4] %= 4;
            header[5] %= 3;
            header[6..8].fill(0);
            header[46..48].fill(0);
            if let Some(mut header) = BlockHeader::decode(&header) {
                header.raw_len %= 1 << 16;
                if let Ok(payload) = decompress(&header, bytes.clone()) {
                    drop(records(&header, payload));
                }
            }
            for codec in [Codec::None, Codec::Lz4, Codec::Zstd] {
                let header = BlockHeader {
                    raw_len: 1000,
                    ..builder(2).header(codec, bytes.len(), 0, Seq(0), 0)
                };
                if let Ok(payload) = decompress(&header, bytes.clone()) {
                    prop_assert!(payload.len() == 1000);
                }
            }
            let header = builder(2).header(Codec::None, bytes.len(), 0, Seq(0), 0);
            drop(records(&header, bytes));
        }
    }

    #[test]
    fn a_zstd_bomb_is_refused_before_it_grows() {
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
        let header = BlockHeader {
            raw_len: 1000,
            ..builder(1).header(Codec::Zstd, bomb.len(), 0, Seq(0), 0)
        };
        assert_eq!(decompress(&header, bomb), Err(PayloadError::Compression));
    }
}
