//! Definitions against their own samples: `nhatky parsers test`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use event::{Event, Micros, Origin, Record, Transport};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::ecs_values;
use crate::{Depth, LoadError, ParseSettings, Parsers, SenderSettings};

/// What the samples of one folder showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestReport {
    /// How many samples were parsed.
    pub samples: usize,
    /// How many of them do not give the event stated, or one that ECS allows.
    pub failed: usize,
    /// What differs from `expected.jsonl` or is not ECS, a sentence each.
    pub differences: Vec<String>,
    /// Messages of the definition that no sample shows.
    pub uncovered: Vec<String>,
}

/// A sample: a line of `samples.log`, or of `samples.jsonl`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sample {
    raw: String,
    #[serde(default)]
    tz: Option<String>,
    #[serde(default)]
    product_hint: Option<String>,
    #[serde(default)]
    layout: Option<String>,
    /// The listener it came through; `sample` where none is said.
    #[serde(default)]
    listener: Option<String>,
}

impl Sample {
    /// Its bytes as they arrive.
    pub(crate) fn raw(&self) -> &str {
        &self.raw
    }
}

/// Samples are read as if received then: 2026-10-11T15:20:00Z.
const NOW: Micros = Micros(1_791_732_000 * Micros::PER_SECOND);

/// Differs by when and how a line arrives, not by what it says.
const LEFT_OUT: &[&str] = &[
    "event.original",
    "event.ingested",
    "nhatky.listener",
    "nhatky.source",
    "nhatky.transport",
];

impl Parsers {
    /// Parses the samples of a parser's folder and compares them with its `expected.jsonl`.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn test(&self, folder: &Path) -> Result<TestReport, LoadError> {
        let events = self.sample_events(folder)?;
        let expected = read(&folder.join("expected.jsonl"))?.unwrap_or_default();
        let mut expected = expected.lines();
        let mut report = TestReport {
            samples: events.len(),
            ..TestReport::default()
        };
        for (number, event) in events.iter().enumerate() {
            let wanted = expected
                .next()
                .and_then(|line| serde_json::from_str(line).ok());
            let mut differences = match wanted {
                Some(wanted) => compare(&wanted, event),
                None => vec!["expected.jsonl states no event".to_owned()],
            };
            differences.extend(ecs_values::not_allowed(event));
            report.failed += usize::from(!differences.is_empty());
            let told = differences
                .iter()
                .map(|difference| format!("sample {}: {difference}", number + 1));
            report.differences.extend(told);
        }
        let left = expected.count();
        if left > 0 {
            report
                .differences
                .push(format!("{left} expected events have no sample"));
        }
        report.uncovered = self.uncovered(folder, &events);
        Ok(report)
    }

    /// Writes `expected.jsonl` anew from what the samples give now. Look at the difference before you keep it.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn bless(&self, folder: &Path) -> Result<(), LoadError> {
        let mut text = String::new();
        for event in self.sample_events(folder)? {
            text.push_str(&Value::Object(event).to_string());
            text.push('\n');
        }
        let path = folder.join("expected.jsonl");
        fs::write(&path, text).map_err(|source| crate::content::unreadable(&path, source))
    }

    fn sample_events(&self, folder: &Path) -> Result<Vec<Map<String, Value>>, LoadError> {
        let samples = samples(folder)?;
        let events = samples
            .iter()
            .map(|sample| self.sample_event(sample, folder, Depth::Full));
        Ok(events.collect())
    }

    /// The event of a sample, without what differs by when and how it arrives.
    pub(crate) fn sample_event(
        &self,
        sample: &Sample,
        folder: &Path,
        depth: Depth,
    ) -> Map<String, Value> {
        let listener = sample.listener.as_deref().unwrap_or("sample");
        let own = product(folder);
        let settings = SenderSettings {
            zone: sample.tz.clone(),
            product: sample.product_hint.clone(),
            layouts: sample
                .layout
                .iter()
                .map(|layout| (own.clone(), layout.clone()))
                .collect(),
        };
        let settings = ParseSettings::default().with_sender(listener, settings);
        let origin = Origin {
            transport: Transport::Import,
            listener: listener.into(),
            peer: None,
            identity: None,
        };
        let record = Record::new(Arc::new(origin), NOW, Bytes::from(sample.raw.clone()));
        let mut event = Event::default();
        self.parse_into(&record, &settings.unwrap_or_default(), depth, &mut event);
        match serde_json::to_value(&event) {
            Ok(Value::Object(mut fields)) => {
                fields.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
                fields
            }
            _ => Map::new(),
        }
    }

    fn uncovered(&self, folder: &Path, events: &[Map<String, Value>]) -> Vec<String> {
        let own = product(folder);
        let text = |event: &Map<String, Value>, name: &str| {
            event.get(name).and_then(Value::as_str).map(str::to_owned)
        };
        let shown: BTreeSet<String> = events
            .iter()
            .filter(|event| text(event, "nhatky.product").as_deref() == Some(&own))
            .filter_map(|event| text(event, "nhatky.message"))
            .collect();
        let definition = self.definitions.iter().find(|known| *known.name == *own);
        let messages = definition
            .iter()
            .flat_map(|definition| &definition.messages);
        let names: BTreeSet<&str> = messages.map(|message| &*message.name).collect();
        let missing = names.into_iter().filter(|name| !shown.contains(*name));
        missing.map(str::to_owned).collect()
    }
}

fn compare(wanted: &Map<String, Value>, got: &Map<String, Value>) -> Vec<String> {
    let mut differences = Vec::new();
    let names: BTreeSet<&String> = wanted.keys().chain(got.keys()).collect();
    for name in names {
        let (wanted, got) = (wanted.get(name), got.get(name));
        if wanted != got {
            let show = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            let (wanted, got) = (show(wanted), show(got));
            differences.push(format!("{name}: expected {wanted}, got {got}"));
        }
    }
    differences
}

/// The samples of a parser's folder: first the lines, then the objects.
pub(crate) fn samples(folder: &Path) -> Result<Vec<Sample>, LoadError> {
    let lines = read(&folder.join("samples.log"))?.unwrap_or_default();
    let objects = read(&folder.join("samples.jsonl"))?.unwrap_or_default();
    let mut samples: Vec<Sample> = lines
        .lines()
        .map(|line| Sample {
            raw: line.to_owned(),
            ..Sample::default()
        })
        .collect();
    for line in objects.lines() {
        let sample = serde_json::from_str(line).map_err(|error| LoadError::Definition {
            parser: folder.display().to_string(),
            problem: format!("samples.jsonl: {error}"),
        })?;
        samples.push(sample);
    }
    Ok(samples)
}

/// The product whose folder it is.
pub(crate) fn product(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn read(path: &Path) -> Result<Option<String>, LoadError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(crate::content::unreadable(path, error)),
    }
}
