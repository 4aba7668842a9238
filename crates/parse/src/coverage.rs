//! What a definition knows, as its samples show it; and what its lines cost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use event::{Event, EventClass, Micros, Origin, Record, SourceCategory, Transport};
use serde::Serialize;
use serde_json::Value;

use crate::{Depth, LoadError, ParseSettings, Parsers};

/// What a definition knows.
#[derive(Clone, Debug, Serialize)]
pub struct Coverage {
    /// The product's name.
    pub product: Box<str>,
    /// Its name for people.
    pub title: Box<str>,
    /// What kind of thing it is.
    pub category: SourceCategory,
    /// How many samples stand beside it.
    pub samples: usize,
    /// Its kinds of message, in the order of their names.
    pub messages: Vec<MessageCoverage>,
}

/// What is known of one kind of message.
#[derive(Clone, Debug, Serialize)]
pub struct MessageCoverage {
    /// Its name (`nhatky.message`).
    pub name: Box<str>,
    /// The classes that its samples have.
    pub classes: BTreeSet<EventClass>,
    /// How many samples show it.
    pub samples: usize,
}

impl Parsers {
    /// What the definition of that folder knows; none where the folder's name is no product's.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn coverage(&self, folder: &Path) -> Result<Option<Coverage>, LoadError> {
        let name = crate::testing::product(folder);
        let Some(definition) = self.definitions.iter().find(|one| *one.name == *name) else {
            return Ok(None);
        };
        let names = definition.messages.iter().map(|message| &message.name);
        let mut messages: BTreeMap<Box<str>, (BTreeSet<EventClass>, usize)> = names
            .map(|name| (name.clone(), Default::default()))
            .collect();
        let samples = crate::testing::samples(folder)?;
        for sample in &samples {
            let event = self.sample_event(sample, folder, Depth::Full);
            let text = |name: &str| event.get(name).and_then(Value::as_str);
            let is_own = text("nhatky.product") == Some(&name);
            let message = text("nhatky.message").filter(|_| is_own);
            let Some((classes, count)) = message.and_then(|name| messages.get_mut(name)) else {
                continue;
            };
            *count += 1;
            classes.extend(text("nhatky.class").and_then(EventClass::from_name));
        }
        let messages = messages
            .into_iter()
            .map(|(name, (classes, samples))| MessageCoverage {
                name,
                classes,
                samples,
            });
        Ok(Some(Coverage {
            product: definition.name.clone(),
            title: definition.title.clone(),
            category: definition.category,
            samples: samples.len(),
            messages: messages.collect(),
        }))
    }

    /// The samples of that folder as records that can be parsed again and again.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn sample_run(&self, folder: &Path) -> Result<SampleRun, LoadError> {
        let origin = Arc::new(Origin {
            transport: Transport::Udp,
            listener: "sample".into(),
            peer: None,
            identity: None,
        });
        let samples = crate::testing::samples(folder)?;
        let record = |sample: &crate::testing::Sample| {
            let raw = Bytes::from(sample.raw().to_owned());
            Record::new(Arc::clone(&origin), Micros(0), raw)
        };
        Ok(SampleRun {
            records: samples.iter().map(record).collect(),
        })
    }
}

/// Records made of samples.
#[derive(Debug)]
pub struct SampleRun {
    records: Vec<Record>,
}

impl SampleRun {
    /// Parses each once, as the index and the rules need them.
    pub fn run(&self, parsers: &Parsers) {
        let (settings, mut event) = (ParseSettings::default(), Event::default());
        for record in &self.records {
            parsers.parse_into(record, &settings, Depth::Core, &mut event);
        }
    }

    /// How many they are.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.records.len()
    }

    /// How many bytes they have together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.records.iter().map(|record| record.raw.len()).sum()
    }
}
