//! `nhatky import`: old log files into the journal, each message once, however often the import is started.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use detect::{Detector, Mode, Output};
use event::{BulkItem, Identity, Micros, Origin, Record, Seq, Transport};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::verify::instant;
use crate::cli::Import;
use crate::log_file::{self, LogFile};
use crate::node::Node;
use crate::output;
use crate::texts::Texts;

/// Records appended at once.
const BATCH_RECORDS: usize = 4096;

/// How far files were imported: a hint where in the journal to look for the exact place.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Positions(BTreeMap<String, Position>);

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Position {
    /// The last message known to be in the journal begins here.
    offset: u64,
    /// Its Seq.
    seq: Seq,
}

pub(crate) async fn run(args: Import, texts: &Texts) -> Result<()> {
    if args.place.server.is_some() {
        bail!(
            "import writes into a data directory: stop the server, or run it on another directory"
        );
    }
    let node = Node::offline(&args.place.data).await?;
    let imported = import_all(&node, &args, texts).await;
    node.close().await?;
    imported
}

async fn import_all(node: &Node, args: &Import, texts: &Texts) -> Result<()> {
    let starts = args
        .multiline
        .as_deref()
        .map(regex::bytes::Regex::new)
        .transpose()?;
    let reference = args.reference_time.as_deref().map(instant).transpose()?;
    let first = node.journal.reader().durable().next();
    for file in &args.files {
        let job = Job {
            node,
            name: source_name(args.source.as_deref(), file),
            reference: reference.map_or_else(|| log_file::modified_at(file), Ok)?,
            fingerprint: fingerprint(file)?,
            positions: node.data.state().join("import.json"),
        };
        let log = LogFile::open(file, starts.clone())
            .with_context(|| format!("{} cannot be read", file.display()))?;
        let records = job.run(log, file, texts)?;
        output::note(&texts.say(
            "import.done",
            &[("records", &records), ("file", &file.display())],
        ))?;
    }
    if args.detect {
        detect(node, first).await?;
    }
    Ok(())
}

fn source_name(given: Option<&str>, file: &Path) -> String {
    let of_file = || {
        file.file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    given.map_or_else(of_file, str::to_owned)
}

/// What makes a file the same file: the beginning of what is in it, so that it may be moved, and may have grown.
fn fingerprint(file: &Path) -> Result<String> {
    use std::io::Read as _;
    let mut head = Vec::new();
    std::fs::File::open(file)
        .and_then(|file| file.take(4096).read_to_end(&mut head))
        .with_context(|| format!("{} cannot be read", file.display()))?;
    // Only whole lines: the last one may still be growing.
    let whole = head
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(head.len(), |end| end + 1);
    let first = head
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(whole, |end| end + 1);
    let digest = Sha256::digest(head.get(..first.max(256).min(whole)).unwrap_or(&head));
    Ok(digest
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// The import of one file.
struct Job<'a> {
    node: &'a Node,
    name: String,
    reference: Micros,
    fingerprint: String,
    positions: PathBuf,
}

impl Job<'_> {
    fn run(&self, mut log: LogFile, file: &Path, texts: &Texts) -> Result<u64> {
        let mut positions = self.read_positions();
        if let Some(last) = self.last_imported(&positions)? {
            output::note(&texts.say(
                "import.resumed",
                &[("file", &file.display()), ("offset", &last.offset)],
            ))?;
            log.skip_to(last.offset + 1)?;
        }
        let origin = Arc::new(Origin {
            transport: Transport::Import,
            listener: Box::from("import"),
            peer: None,
            identity: Some(Identity::Import(self.name.as_str().into())),
        });
        let (mut imported, progress) = (0, std::io::stderr().is_terminal());
        loop {
            let (batch, last_offset) = self.batch(&mut log, &origin)?;
            let Some(offset) = last_offset else {
                return Ok(imported);
            };
            let count = batch.len() as u64;
            let range = self.node.journal.appender().append(batch)?;
            positions.0.insert(
                self.fingerprint.clone(),
                Position {
                    offset,
                    seq: range.last(),
                },
            );
            let disk = disk::RealDisk;
            disk::replace(
                &disk,
                &self.positions,
                &serde_json::to_vec_pretty(&positions)?,
            )?;
            imported += count;
            if progress {
                output::progress(&format!("{}: {imported}", file.display()))?;
            }
        }
    }

    fn batch(&self, log: &mut LogFile, origin: &Arc<Origin>) -> Result<(Vec<Record>, Option<u64>)> {
        let (mut batch, mut last) = (Vec::new(), None);
        while batch.len() < BATCH_RECORDS {
            let Some(message) = log.next()? else { break };
            last = Some(message.offset);
            let mut record = Record::new(Arc::clone(origin), self.node.clock.now(), Bytes::new());
            message.mark(&mut record);
            record.reference_time = self.reference;
            record.item = Some(Box::new(BulkItem {
                index: Some(self.fingerprint.as_str().into()),
                id: Some(message.offset.to_string().into()),
            }));
            record.raw = Bytes::from(message.bytes);
            batch.push(record);
        }
        Ok((batch, last))
    }

    fn read_positions(&self) -> Positions {
        let bytes = std::fs::read(&self.positions).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// The last message of this file that the journal holds: what was saved, and what was appended after it by an import
    /// that was killed before it could save.
    fn last_imported(&self, positions: &Positions) -> Result<Option<Position>> {
        let mut last = positions.0.get(&self.fingerprint).copied();
        let reader = self.node.journal.reader();
        let from = last.map_or(Seq(1), |last| last.seq.next());
        for block in reader.blocks(from, reader.durable()) {
            for record in reader.read_block(&block)? {
                let Some(item) = record
                    .item
                    .filter(|_| record.origin.transport == Transport::Import)
                else {
                    continue;
                };
                let offset = item.id.as_deref().and_then(|id| id.parse().ok());
                if let (Some(offset), true) =
                    (offset, item.index.as_deref() == Some(&self.fingerprint))
                {
                    last = Some(Position {
                        offset,
                        seq: record.seq,
                    });
                }
            }
        }
        Ok(last)
    }
}

/// Runs the rules over what was imported, by the events' own time, and stores what they find.
async fn detect(node: &Node, first: Seq) -> Result<()> {
    let reader = node.journal.reader();
    let mut detector = Detector::new(Arc::clone(&node.rules), Mode::Import);
    let mut outputs = Vec::new();
    for block in reader.blocks(first, reader.durable()) {
        let understanding = node.understanding.load();
        for record in reader.read_block(&block)? {
            if record.seq >= first && record.origin.transport == Transport::Import {
                detector.observe(
                    &understanding.event(&record, index::Depth::Full),
                    &mut outputs,
                );
            }
        }
    }
    detector.tell(&mut outputs);
    let detections: Vec<_> = outputs
        .into_iter()
        .filter_map(|output| match output {
            Output::Detection(detection) => Some(*detection),
            Output::Update(_) | Output::Evicted(_) => None,
        })
        .collect();
    node.alerts.apply(&detections, &[]).await?;
    detections
        .iter()
        .try_for_each(|detection| output::json(&serde_json::to_value(detection)?))
}
