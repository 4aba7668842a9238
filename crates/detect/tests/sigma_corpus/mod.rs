//! The Sigma corpus, read in place (`NHATKY_CORPUS`, by default `../shared/corpus` beside the workspace), and its events
//! as shippers send them.
#![expect(clippy::print_stderr, reason = "says when it skips")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use event::{Event, Micros, Origin, Record, Seq, Transport};
use parse::{Depth, ParseSettings, Parsers};
use serde_json::{Map, Value, json};

/// A file of the corpus; `None`, said aloud, where it is absent.
pub(crate) fn corpus(file: &str) -> Option<PathBuf> {
    let root = std::env::var_os("NHATKY_CORPUS").map(PathBuf::from);
    let root = root.unwrap_or_else(|| {
        PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../../shared/corpus"
        ))
    });
    let path = root.join(file);
    if !path.is_file() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// A folder with what the archive holds under `rules/`, as a site would put it there.
pub(crate) fn unpacked(archive: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules");
    std::fs::create_dir_all(&rules).expect("a folder");
    let status = Command::new("tar")
        .arg("xzf")
        .arg(archive)
        .arg("-C")
        .arg(&rules)
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("tar runs").success());
    folder
}

/// The files below a folder that end so, with their names from there.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        if next.is_dir() {
            let entries = std::fs::read_dir(&next).expect("a folder");
            waiting.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if next.to_string_lossy().ends_with(ending) {
            let name = next.strip_prefix(folder).expect("below the folder");
            let text = std::fs::read_to_string(&next).expect("a text file");
            found.push((name.to_string_lossy().into_owned(), text));
        }
    }
    found.sort();
    found
}

/// The cases of `sigma/regression.jsonl`: a rule's id, and events of which at least one fires it.
pub(crate) fn regression() -> Option<Vec<(String, Vec<Value>)>> {
    let text = std::fs::read_to_string(corpus("sigma/regression.jsonl")?).expect("a text file");
    let case = |line: &str| {
        let case: Value = serde_json::from_str(line).expect("JSON");
        (
            case["rule_id"].as_str().expect("an id").to_owned(),
            case["events"].as_array().expect("a list").clone(),
        )
    };
    Some(text.lines().map(case).collect())
}

/// The lines of `ecs/windows_*.jsonl`, as shipped.
pub(crate) fn windows_lines() -> Option<Vec<String>> {
    let kinds = [
        "forwarded",
        "powershell",
        "powershell_operational",
        "security",
        "sysmon",
    ];
    let mut lines = Vec::new();
    for kind in kinds {
        let file = corpus(&format!("ecs/windows_{kind}.jsonl"))?;
        let text = std::fs::read_to_string(file).expect("a text file");
        lines.extend(text.lines().map(|line| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            line["raw"].as_str().expect("a text").to_owned()
        }));
    }
    Some(lines)
}

/// An event as `evtx_dump` writes it, as Winlogbeat sends it: `System` becomes fields of `winlog`, `EventData` and
/// `UserData` keep their names, and every value is a text.
pub(crate) fn winlogbeat(dump: &Value) -> Value {
    let system = &dump["Event"]["System"];
    let code = match &system["EventID"] {
        Value::Object(with_qualifiers) => text(&with_qualifiers["#text"]),
        plain => text(plain),
    };
    let attributes = |part: &str| &system[part]["#attributes"];
    let mut winlog = json!({
        "channel": system["Channel"],
        "provider_name": attributes("Provider")["Name"],
        "provider_guid": attributes("Provider")["Guid"],
        "event_id": code,
        "version": system["Version"],
        "record_id": system["EventRecordID"],
        "computer_name": system["Computer"],
        "task": text(&system["Task"]),
        "opcode": text(&system["Opcode"]),
        "keywords": [system["Keywords"]],
        "process": {
            "pid": attributes("Execution")["ProcessID"],
            "thread": {"id": attributes("Execution")["ThreadID"]},
        },
        "user": {"identifier": attributes("Security")["UserID"]},
        "api": "wineventlog",
    });
    if let Value::Object(data) = &dump["Event"]["EventData"] {
        winlog["event_data"] = texts(data);
    }
    if let Value::Object(data) = &dump["Event"]["UserData"] {
        let inner = data.values().find_map(Value::as_object);
        winlog["user_data"] = texts(inner.unwrap_or(data));
    }
    json!({
        "@timestamp": attributes("TimeCreated")["SystemTime"],
        "agent": {"type": "winlogbeat", "version": "8.13.0"},
        "host": {"name": system["Computer"]},
        "event": {"code": code, "kind": "event", "provider": attributes("Provider")["Name"]},
        "winlog": winlog,
    })
}

fn texts(data: &Map<String, Value>) -> Value {
    let plain = data.iter().filter(|(name, _)| !name.starts_with('#'));
    Value::Object(
        plain
            .map(|(name, value)| (name.clone(), Value::String(text(value))))
            .collect(),
    )
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Object(with_attributes) => text(&with_attributes["#text"]),
        Value::Array(several) => several.iter().map(text).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}

/// Makes events of raw texts, as if received by HTTP.
pub(crate) struct Reader {
    parsers: Parsers,
    settings: ParseSettings,
    seq: Seq,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self {
            parsers: Parsers::builtin(),
            settings: ParseSettings::default(),
            seq: Seq::ZERO,
        }
    }

    pub(crate) fn event(&mut self, raw: &str) -> Event {
        let origin = Origin {
            transport: Transport::Http,
            listener: "http".into(),
            peer: Some(([192, 0, 2, 1], 1).into()),
            identity: None,
        };
        let at = Micros::from_rfc3339("2026-10-14T09:00:00+07:00").expect("a date");
        let mut record = Record::new(Arc::new(origin), at, Bytes::from(raw.to_owned()));
        self.seq = self.seq.next();
        record.seq = self.seq;
        let mut event = Event::default();
        self.parsers
            .parse_into(&record, &self.settings, Depth::Full, &mut event);
        event
    }
}
