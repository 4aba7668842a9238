//! Slots that no sample notices: a definition's tests are to fail when one of its slots is dropped.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::content::unreadable;
use crate::definition::Definition;
use crate::mapping::Goals;
use crate::template::Into;
use crate::{Depth, LoadError, Parsers};

impl Parsers {
    /// Drops, one after another, each slot and each mapped key of the definition in that folder; names those without
    /// which its samples give the same events: they show too little of it.
    ///
    /// # Errors
    /// When a file cannot be read or the definition is wrong.
    pub fn unnoticed(folder: &Path) -> Result<Vec<String>, LoadError> {
        let path = folder.join("parser.toml");
        let text = fs::read_to_string(&path).map_err(|source| unreadable(&path, source))?;
        let name = crate::testing::product(folder);
        let mut parsers = Self::compile(BTreeMap::from([(name, text)]))?;
        let samples = crate::testing::samples(folder)?;
        // Rules and the index see less than people: what a key is mapped to may show there alone.
        let expected = [Depth::Full, Depth::Core].map(|depth| {
            let event = |sample| parsers.sample_event(sample, folder, depth);
            (depth, samples.iter().map(event).collect::<Vec<_>>())
        });
        let notices = |parsers: &Self| {
            expected.iter().any(|(depth, events)| {
                let mut pairs = samples.iter().zip(events);
                pairs.any(|(sample, event)| parsers.sample_event(sample, folder, *depth) != *event)
            })
        };
        let mut unnoticed = Vec::new();
        for number in 0.. {
            let Some((kept, slot)) = parsers.exchange_slot(number, Into::Nowhere) else {
                break;
            };
            if !matches!(kept, Into::Nowhere) && !notices(&parsers) {
                unnoticed.push(slot);
            }
            parsers.exchange_slot(number, kept);
        }
        for key in parsers.mapped_keys() {
            let kept = parsers.exchange_key(&key, Vec::new());
            if !notices(&parsers) {
                unnoticed.push(format!("[map] {key}"));
            }
            parsers.exchange_key(&key, kept);
        }
        Ok(unnoticed)
    }

    /// The keys that the only definition maps, sorted.
    fn mapped_keys(&self) -> Vec<String> {
        let definition = self.definitions.first();
        let keys = definition.into_iter().flat_map(|only| only.mapping.keys());
        let mut keys: Vec<String> = keys.map(str::to_owned).collect();
        keys.sort();
        keys
    }

    /// Takes the key out of every mapping, or puts back where it went; gives where it went.
    fn exchange_key(&mut self, key: &str, goals: Vec<Option<Goals>>) -> Vec<Option<Goals>> {
        let mut goals = goals.into_iter();
        let mappings = self
            .definitions
            .first_mut()
            .into_iter()
            .flat_map(Definition::mappings_mut);
        mappings
            .map(|mapping| mapping.exchange(key, goals.next().flatten()))
            .collect()
    }

    /// Puts `into` in the place of the only definition's slot of that number; gives what it was and how people name it.
    fn exchange_slot(&mut self, number: usize, into: Into) -> Option<(Into, String)> {
        let definition = self.definitions.first_mut()?;
        let mut left = number;
        let mut found = None;
        definition.each_template(&mut |message, template| {
            template.each_into(&mut |slot| {
                if found.is_none() && left == 0 {
                    found = Some((std::mem::replace(slot, into), message.to_owned()));
                }
                left = left.saturating_sub(usize::from(found.is_none()));
            });
        });
        let (kept, message) = found?;
        let name = match kept {
            Into::Nowhere => "_",
            Into::Value(symbol) | Into::Endpoint { ip: symbol, .. } => {
                definition.symbols.name(symbol)
            }
        };
        Some((kept, format!("<{name}> of {message}")))
    }
}
