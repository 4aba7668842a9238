//! Old log files into the journal: each message once, however often it is sent.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use disk::Disk;
use event::{BulkItem, Clock, Identity, Mark, Micros, Origin, Record, Seq, Transport};
use journal::{AppendError, Appender, ReadError, Reader};
use serde::{Deserialize, Serialize};

/// Takes the messages of old log files into the journal.
///
/// A file is known by a fingerprint that its sender makes of its beginning, a message by where it begins in the file:
/// both stand in the record's receipt data, so that the journal itself tells how far a file has come.
#[derive(Debug)]
pub struct Imports {
    reader: Reader,
    appender: Appender,
    clock: Arc<dyn Clock>,
    disk: Arc<dyn Disk>,
    /// Where the positions are saved: a hint from where on to look in the journal.
    file: PathBuf,
    positions: Mutex<Positions>,
}

/// How far files have come.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Positions {
    #[serde(flatten)]
    by_file: BTreeMap<String, Position>,
    /// The files whose position was compared with the journal since the start.
    #[serde(skip)]
    compared: std::collections::BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Position {
    /// The last message known to be in the journal begins here.
    offset: u64,
    /// Its Seq.
    seq: Seq,
}

/// What is said of a file's messages together.
#[derive(Clone, Debug)]
pub struct ImportedFile {
    /// Made of the file's beginning: 24 hexadecimal digits.
    pub fingerprint: String,
    /// The name of the source.
    pub source: String,
    /// Against which dates without a year are read.
    pub reference_time: Micros,
}

/// One message of a file.
#[derive(Clone, Debug)]
pub struct ImportedMessage {
    /// Where it begins in the unpacked file, in bytes.
    pub offset: u64,
    /// Its bytes.
    pub raw: Bytes,
    /// Its length in the file where it was cut.
    pub original_bytes: Option<u64>,
}

/// Why messages were not taken in.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The journal takes nothing.
    #[error("the journal took nothing: {0}")]
    Append(#[from] AppendError),
    /// What it holds cannot be read.
    #[error("the journal cannot be read: {0}")]
    Read(#[from] ReadError),
    /// The positions cannot be saved.
    #[error("{path} cannot be written: {source}")]
    Save {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Imports {
    /// Appends by that appender; `file` is where positions are saved.
    #[must_use]
    pub fn new(
        reader: Reader,
        appender: Appender,
        clock: Arc<dyn Clock>,
        disk: Arc<dyn Disk>,
        file: PathBuf,
    ) -> Self {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let positions = serde_json::from_slice(&bytes).unwrap_or_default();
        Self {
            reader,
            appender,
            clock,
            disk,
            file,
            positions: Mutex::new(positions),
        }
    }

    /// Where the last message of that file begins that the journal holds. Reads the journal the first time; blocks.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn last_offset(&self, fingerprint: &str) -> Result<Option<u64>, ImportError> {
        let mut positions = self
            .positions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let last = self.last(&mut positions, fingerprint)?;
        Ok(last.map(|position| position.offset))
    }

    /// Appends the messages, in the order of their offsets, that the journal does not hold yet; durable on return, and
    /// how many they were. Blocks.
    ///
    /// # Errors
    /// When the journal or the disk fails; then the same messages may be sent again.
    pub fn append(
        &self,
        file: &ImportedFile,
        messages: Vec<ImportedMessage>,
    ) -> Result<u64, ImportError> {
        // Held throughout: two senders of one file must not append the same message twice.
        let mut positions = self
            .positions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let last = self.last(&mut positions, &file.fingerprint)?;
        let is_new =
            |message: &ImportedMessage| last.is_none_or(|last| message.offset > last.offset);
        let messages: Vec<_> = messages.into_iter().filter(is_new).collect();
        let Some(offset) = messages.last().map(|message| message.offset) else {
            return Ok(0);
        };
        let count = messages.len() as u64;
        let range = self.appender.append(self.records(file, messages))?;
        let position = Position {
            offset,
            seq: range.last(),
        };
        positions.by_file.insert(file.fingerprint.clone(), position);
        self.save(&positions)?;
        Ok(count)
    }

    fn records(&self, file: &ImportedFile, messages: Vec<ImportedMessage>) -> Vec<Record> {
        let origin = Arc::new(Origin {
            transport: Transport::Import,
            listener: Box::from("import"),
            peer: None,
            identity: Some(Identity::Import(file.source.as_str().into())),
        });
        let record = |message: ImportedMessage| {
            let mut record = Record::new(Arc::clone(&origin), self.clock.now(), message.raw);
            record.reference_time = file.reference_time;
            record.mark = message
                .original_bytes
                .map(|original_bytes| Mark::Truncated { original_bytes });
            record.item = Some(Box::new(BulkItem {
                index: Some(file.fingerprint.as_str().into()),
                id: Some(message.offset.to_string().into()),
            }));
            record
        };
        messages.into_iter().map(record).collect()
    }

    /// What was saved, and what was appended after it before a crash could save it.
    fn last(
        &self,
        positions: &mut Positions,
        fingerprint: &str,
    ) -> Result<Option<Position>, ImportError> {
        let mut last = positions.by_file.get(fingerprint).copied();
        if positions.compared.contains(fingerprint) {
            return Ok(last);
        }
        let from = last.map_or(Seq(1), |last| last.seq.next());
        for block in self.reader.blocks(from, self.reader.durable()) {
            for record in self.reader.read_block(&block)? {
                let item = record
                    .item
                    .filter(|_| record.origin.transport == Transport::Import)
                    .filter(|item| item.index.as_deref() == Some(fingerprint));
                let offset = item.and_then(|item| item.id?.parse().ok());
                if let Some(offset) = offset {
                    let seq = record.seq;
                    last = Some(Position { offset, seq });
                }
            }
        }
        if let Some(last) = last {
            positions.by_file.insert(fingerprint.to_owned(), last);
        }
        positions.compared.insert(fingerprint.to_owned());
        Ok(last)
    }

    fn save(&self, positions: &Positions) -> Result<(), ImportError> {
        let saved = serde_json::to_vec_pretty(positions)
            .map_err(std::io::Error::other)
            .and_then(|bytes| disk::replace(&*self.disk, &self.file, &bytes));
        saved.map_err(|source| ImportError::Save {
            path: self.file.clone(),
            source,
        })
    }
}
