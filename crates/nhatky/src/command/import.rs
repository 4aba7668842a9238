//! `nhatky import`: old log files into the journal, each message once, however often the import is started.

use std::io::IsTerminal as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use event::Micros;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::verify::instant;
use crate::cli::Import;
use crate::client::Client;
use crate::log_file::{self, LogFile, Message};
use crate::output;
use crate::texts::Texts;

/// Messages sent at once, and about how many bytes of them: the server takes 8 MiB.
const BATCH_MESSAGES: usize = 4096;
const BATCH_BYTES: usize = 1 << 20;

pub(crate) async fn run(args: Import, texts: &Texts) -> Result<()> {
    let client = Client::open(&args.place).await?;
    let imported = import_all(&client, &args, texts).await;
    client.close().await?;
    imported
}

async fn import_all(client: &Client, args: &Import, texts: &Texts) -> Result<()> {
    let starts = args
        .multiline
        .as_deref()
        .map(regex::bytes::Regex::new)
        .transpose()?;
    let reference = args.reference_time.as_deref().map(instant).transpose()?;
    let mut first_seq = None;
    for file in &args.files {
        let job = Job {
            client,
            name: source_name(args.source.as_deref(), file),
            reference: reference.map_or_else(|| log_file::modified_at(file), Ok)?,
            path: format!("/api/v1/imports/{}", fingerprint(file)?),
        };
        let log = LogFile::open(file, starts.clone())
            .with_context(|| format!("{} cannot be read", file.display()))?;
        let progress = client.get(&job.path, &[]).await?;
        first_seq.get_or_insert(progress["durable_seq"].as_u64().unwrap_or(0) + 1);
        let records = job
            .run(log, file, progress["last_offset"].as_u64(), texts)
            .await?;
        output::note(&texts.say(
            "import.done",
            &[("records", &records), ("file", &file.display())],
        ))?;
    }
    if let (true, Some(from_seq)) = (args.detect, first_seq) {
        let request = json!({ "from_seq": from_seq });
        let found = client.post("/api/v1/imports/detect", &request).await?;
        for detection in found["items"].as_array().into_iter().flatten() {
            output::json(detection)?;
        }
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
    client: &'a Client,
    name: String,
    reference: Micros,
    path: String,
}

impl Job<'_> {
    async fn run(
        &self,
        mut log: LogFile,
        file: &Path,
        last_offset: Option<u64>,
        texts: &Texts,
    ) -> Result<u64> {
        if let Some(offset) = last_offset {
            output::note(&texts.say(
                "import.resumed",
                &[("file", &file.display()), ("offset", &offset)],
            ))?;
            log.skip_to(offset + 1)?;
        }
        let (mut imported, progress) = (0, std::io::stderr().is_terminal());
        loop {
            let messages = batch(&mut log)?;
            if messages.is_empty() {
                return Ok(imported);
            }
            let request = json!({
                "source": self.name,
                "reference_time": self.reference.to_string(),
                "messages": messages,
            });
            let reply = self.client.post(&self.path, &request).await?;
            imported += reply["accepted"].as_u64().unwrap_or(0);
            if progress {
                output::progress(&format!("{}: {imported}", file.display()))?;
            }
        }
    }
}

fn batch(log: &mut LogFile) -> Result<Vec<Value>> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < BATCH_MESSAGES && bytes < BATCH_BYTES {
        let Some(message) = log.next()? else { break };
        bytes += message.bytes.len();
        batch.push(as_json(message));
    }
    Ok(batch)
}

fn as_json(message: Message) -> Value {
    let mut json = json!({ "offset": message.offset });
    match String::from_utf8(message.bytes) {
        Ok(text) => json["raw"] = text.into(),
        Err(error) => {
            let engine = base64::engine::general_purpose::STANDARD;
            json["raw_b64"] = engine.encode(error.as_bytes()).into();
        }
    }
    if let Some(original_bytes) = message.original_bytes {
        json["original_bytes"] = original_bytes.into();
    }
    json
}
