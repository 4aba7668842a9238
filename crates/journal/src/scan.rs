//! Reads a segment file from front to back, and past damage: which blocks are sound, which bytes are not.

use std::io;
use std::ops::Range;

use disk::File;
use event::Seq;

use crate::block::{BlockHeader, HEADER_BYTES, checksum_holds};
use crate::segment::{
    Contents, ENTRY_BYTES, Form, PAGE, PAGE_BYTES, SegmentHead, TRAILER_BYTES, tag,
};

/// A sound block and where it lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) offset: u64,
    pub(crate) header: BlockHeader,
}

impl Found {
    pub(crate) fn end(&self) -> u64 {
        self.offset.saturating_add(self.header.total_len())
    }
}

/// What a segment file holds.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) blocks: Vec<Found>,
    /// Bytes that are neither sound blocks nor zeros where zeros belong, ascending.
    pub(crate) bad: Vec<Range<u64>>,
    pub(crate) file_bytes: u64,
}

impl Scan {
    /// The greatest Seq that a block here knows to be durable.
    pub(crate) fn synced(&self) -> Seq {
        let synced = self.blocks.iter().map(|found| found.header.synced);
        synced.max().unwrap_or(Seq::ZERO)
    }
}

/// The head page and the tag that it gives; `None` where it is damaged.
pub(crate) fn read_head(file: &dyn File) -> io::Result<Option<(SegmentHead, u64)>> {
    let mut page = [0; PAGE_BYTES];
    if file.read_at(&mut page, 0)? < PAGE_BYTES {
        return Ok(None);
    }
    Ok(SegmentHead::decode(&page).map(|head| (head, tag(&page))))
}

/// What a sealed segment's trailer says; `None` where it is damaged.
pub(crate) fn read_trailer(file: &dyn File) -> io::Result<Option<Contents>> {
    let len = file.len()?;
    let mut trailer = [0; TRAILER_BYTES];
    let Some(trailer_at) = len.checked_sub(TRAILER_BYTES as u64) else {
        return Ok(None);
    };
    file.read_exact_at(&mut trailer, trailer_at)?;
    let Some((directory_at, blocks)) = Contents::peek_trailer(&trailer) else {
        return Ok(None);
    };
    let directory_len = u64::from(blocks).saturating_mul(ENTRY_BYTES as u64);
    if directory_at.checked_add(directory_len) != Some(trailer_at) {
        return Ok(None);
    }
    let all = len.saturating_sub(directory_at);
    let mut bytes = vec![0; usize::try_from(all).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, directory_at)?;
    Ok(Contents::decode_trailer(&bytes))
}

/// Finds the blocks of a segment: hot ones on page boundaries, sealed ones one after another.
///
/// A block counts only with the segment's tag. Where the head page is damaged the first sound block gives the tag.
pub(crate) fn scan(file: &dyn File, form: Form, tag: Option<u64>) -> io::Result<Scan> {
    let mut scanner = Scanner {
        file,
        form,
        tag,
        file_bytes: file.len()?,
        buffer: Vec::new(),
    };
    scanner.run()
}

struct Scanner<'a> {
    file: &'a dyn File,
    form: Form,
    tag: Option<u64>,
    file_bytes: u64,
    buffer: Vec<u8>,
}

impl Scanner<'_> {
    fn run(&mut self) -> io::Result<Scan> {
        let mut found = Vec::new();
        let mut bad: Vec<Range<u64>> = Vec::new();
        let mut at = PAGE.min(self.file_bytes);
        while at < self.file_bytes {
            if let Some(header) = self.block_at(at)? {
                self.tag.get_or_insert(header.tag);
                let block = Found { offset: at, header };
                at = block.end();
                found.push(block);
                continue;
            }
            let next = self.step(at)?;
            if !self.is_zero(at..next)? {
                add(&mut bad, at..next);
            }
            at = next;
        }
        Ok(Scan {
            blocks: found,
            bad,
            file_bytes: self.file_bytes,
        })
    }

    /// Where a block may be after a place where there is none.
    fn step(&self, at: u64) -> io::Result<u64> {
        match self.form {
            Form::Hot => Ok(at.saturating_add(PAGE).min(self.file_bytes)),
            Form::Sealed => self.next_magic(at.saturating_add(1)),
        }
    }

    /// The next place at or after `from` that begins like a block.
    fn next_magic(&self, from: u64) -> io::Result<u64> {
        let mut at = from;
        let mut buffer = vec![0; PAGE_BYTES];
        while at < self.file_bytes {
            let read = self.file.read_at(&mut buffer, at)?;
            let bytes = buffer.get(..read).unwrap_or_default();
            if let Some(found) = bytes.windows(4).position(|bytes| bytes == b"NKb\x01") {
                return Ok(at.saturating_add(found as u64));
            }
            // The last three bytes may begin what the next read ends.
            at = at.saturating_add((read as u64).saturating_sub(3).max(1));
        }
        Ok(self.file_bytes)
    }

    fn block_at(&mut self, at: u64) -> io::Result<Option<BlockHeader>> {
        let mut head = [0; HEADER_BYTES];
        if self.file.read_at(&mut head, at)? < HEADER_BYTES {
            return Ok(None);
        }
        let Some(header) = BlockHeader::decode(&head) else {
            return Ok(None);
        };
        let end = at.checked_add(header.total_len());
        let fits = end.is_some_and(|end| end <= self.file_bytes);
        if !fits || self.tag.is_some_and(|tag| tag != header.tag) {
            return Ok(None);
        }
        let body = header.total_len().saturating_sub(HEADER_BYTES as u64);
        self.buffer
            .resize(usize::try_from(body).unwrap_or(usize::MAX), 0);
        let payload_at = at.saturating_add(HEADER_BYTES as u64);
        self.file.read_exact_at(&mut self.buffer, payload_at)?;
        Ok(checksum_holds(&head, &self.buffer).then_some(header))
    }

    fn is_zero(&self, range: Range<u64>) -> io::Result<bool> {
        let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let mut buffer = vec![0; len.min(1 << 16)];
        let mut at = range.start;
        while at < range.end {
            let left = usize::try_from(range.end.saturating_sub(at)).unwrap_or(usize::MAX);
            let wanted = left.min(buffer.len());
            let part = buffer.get_mut(..wanted).unwrap_or_default();
            self.file.read_exact_at(part, at)?;
            if part.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at = at.saturating_add(wanted as u64);
        }
        Ok(true)
    }
}

/// Adds a range, joined with the one before where they touch.
fn add(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}
