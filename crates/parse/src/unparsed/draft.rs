//! Writes the beginning of a definition from clusters: templates that fit, names of fields as far as words tell them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Deserialize;

use super::{Cluster, Slot, Token};

/// The shortest text by which lines without a syslog tag are recognised, in bytes.
const ANCHOR_MIN: usize = 5;

/// A drafted definition with its samples, to be read and corrected by a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The text of `parser.toml`.
    pub definition: String,
    /// Lines for `samples.jsonl`.
    pub samples: Vec<String>,
    /// How many messages were drafted.
    pub messages: usize,
}

/// What a draft must fit into.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct KnownNames {
    vendor: String,
    message: Vec<KnownMessage>,
}

#[derive(Debug, Deserialize)]
struct KnownMessage {
    name: String,
}

/// Why nothing can be drafted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// There are no clusters.
    #[error("there are no lines that are not understood")]
    Nothing,
    /// Lines without a syslog tag and without a text of their own.
    #[error(
        "nothing in «{template}» tells these lines from others: name the sender's product in the configuration instead"
    )]
    NoAnchor {
        /// Their template.
        template: String,
    },
}

impl Draft {
    /// A definition of a new product with that name, a message for each cluster.
    ///
    /// # Errors
    /// When nothing tells the lines from those of others.
    pub fn new(name: &str, clusters: &[Cluster]) -> Result<Self, DraftError> {
        let lines: u64 = clusters.iter().map(|cluster| cluster.events).sum();
        let recognise = recognise(clusters)?;
        let quoted = quoted(name);
        let head = format!(
            "# Drafted from {lines} lines. Check the names of fields, give each message its class, and add what it means.\n\
             title = {quoted}\n\
             category = \"application\"\n\
             vendor = {quoted}\n\n\
             [recognise]\n{recognise}tentative = true\n"
        );
        Ok(Self::with(head, name, BTreeSet::new(), clusters))
    }

    /// The definition of a known product, with a message for each cluster behind those that it has.
    ///
    /// # Errors
    /// When there are no clusters.
    pub fn extending(text: &str, clusters: &[Cluster]) -> Result<Self, DraftError> {
        if clusters.is_empty() {
            return Err(DraftError::Nothing);
        }
        let known: KnownNames = toml::from_str(text).unwrap_or_default();
        let head = format!(
            "{}\n\n# Drafted: check the names of fields and give each message its class.\n",
            text.trim_end()
        );
        let names = known.message.into_iter().map(|message| message.name);
        Ok(Self::with(head, &known.vendor, names.collect(), clusters))
    }

    fn with(
        mut definition: String,
        vendor: &str,
        mut names: BTreeSet<String>,
        clusters: &[Cluster],
    ) -> Self {
        let mut samples = Vec::new();
        for cluster in clusters {
            write_message(&mut definition, vendor, &mut names, cluster);
            let lines = cluster.samples.iter().map(|sample| &sample.raw);
            samples.extend(lines.map(|raw| serde_json::json!({ "raw": raw }).to_string()));
        }
        Self {
            definition,
            samples,
            messages: clusters.len(),
        }
    }
}

/// The keys of `[recognise]` by which all clusters are found.
fn recognise(clusters: &[Cluster]) -> Result<String, DraftError> {
    let (mut apps, mut starts, mut anywhere) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for cluster in clusters {
        let fixed = fixed_texts(&cluster.template);
        let start = fixed
            .first()
            .filter(|(at, _)| *at == 0)
            .map(|(_, text)| text.trim_end());
        let longest = fixed
            .iter()
            .map(|(_, text)| text.trim())
            .max_by_key(|text| text.len());
        if let Some(app) = cluster.app() {
            apps.insert(app);
        } else if let Some(start) = start.filter(|text| text.len() >= ANCHOR_MIN) {
            starts.insert(start.to_owned());
        } else if let Some(longest) = longest.filter(|text| text.len() >= ANCHOR_MIN) {
            anywhere.insert(longest.to_owned());
        } else {
            return Err(DraftError::NoAnchor {
                template: cluster.template(),
            });
        }
    }
    let mut text = String::new();
    let apps = apps.into_iter().map(str::to_owned).collect();
    for (key, values) in [("apps", apps), ("start", starts), ("anywhere", anywhere)] {
        if !values.is_empty() {
            let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
            for part in [key, " = [", &values.join(", "), "]\n"] {
                text.push_str(part);
            }
        }
    }
    if text.is_empty() {
        return Err(DraftError::Nothing);
    }
    Ok(text)
}

/// The texts between values, with the number of the token where each begins.
fn fixed_texts(template: &[Token]) -> Vec<(usize, String)> {
    let mut texts: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (at, token) in template.iter().enumerate() {
        match token {
            Token::Word(text) | Token::Between(text) => {
                if !open {
                    texts.push((at, String::new()));
                    open = true;
                }
                if let Some((_, fixed)) = texts.last_mut() {
                    fixed.push_str(text);
                }
            }
            Token::Slot(_) => open = false,
        }
    }
    texts
}

fn write_message(
    definition: &mut String,
    vendor: &str,
    names: &mut BTreeSet<String>,
    cluster: &Cluster,
) {
    let template = template(vendor, &cluster.template);
    let name = message_name(cluster, names);
    write!(definition, "\n[[message]]\nname = {}\n", quoted(&name)).expect("writing to a string");
    if let Some(class) = cluster.class() {
        writeln!(definition, "# class = \"{class}\"    # so its words tell")
            .expect("writing to a string");
    }
    writeln!(definition, "template = {}", quoted(&template)).expect("writing to a string");
}

/// The first words, joined; numbered where another message has that name.
fn message_name(cluster: &Cluster, names: &mut BTreeSet<String>) -> String {
    let words = cluster.words();
    let words = words.iter().map(|word| {
        let kept = word.chars().filter(|c| c.is_ascii_alphanumeric());
        kept.collect::<String>().to_ascii_lowercase()
    });
    let words: Vec<String> = words.filter(|word| !word.is_empty()).take(4).collect();
    let base = if words.is_empty() {
        "message".to_owned()
    } else {
        words.join("-")
    };
    let mut name = base.clone();
    let mut number = 1;
    while !names.insert(name.clone()) {
        number += 1;
        name = format!("{base}-{number}");
    }
    name
}

/// The template in the language of definitions.
fn template(vendor: &str, tokens: &[Token]) -> String {
    let mut text = String::new();
    let mut fields = BTreeSet::new();
    let mut before = Before::default();
    for token in tokens {
        match token {
            Token::Word(word) => {
                escape(word, &mut text);
                before.word(word);
            }
            Token::Between(between) => escape(between, &mut text),
            Token::Slot(slot) => {
                let field = before.field(vendor, *slot, &fields);
                write!(text, "<{field}:{}>", slot.name()).expect("writing to a string");
                before.slot(&field);
                fields.insert(field);
            }
        }
    }
    text
}

fn escape(literal: &str, text: &mut String) {
    for c in literal.chars() {
        if matches!(c, '<' | '>' | '{' | '}' | '|' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
}

/// What stands before a value.
#[derive(Default)]
struct Before {
    word: String,
    /// Whose address came last.
    end: Option<&'static str>,
}

impl Before {
    fn word(&mut self, word: &str) {
        self.word = word
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect::<String>()
            .to_ascii_lowercase();
    }

    fn slot(&mut self, field: &str) {
        self.end = match field {
            "source.ip" => Some("source"),
            "destination.ip" => Some("destination"),
            _ => self.end,
        };
        self.word.clear();
    }

    /// A field of ECS where the word tells it, else one under the vendor's prefix; each once.
    fn field(&self, vendor: &str, slot: Slot, taken: &BTreeSet<String>) -> String {
        let known = self
            .known(slot)
            .into_iter()
            .find(|field| !taken.contains(*field));
        if let Some(field) = known {
            return field.to_owned();
        }
        let base = match self.word.as_str() {
            "" => format!("{vendor}.value"),
            word => format!("{vendor}.{word}"),
        };
        let numbered = (2..).map(|number| format!("{base}_{number}"));
        std::iter::once(base.clone())
            .chain(numbered)
            .find(|field| !taken.contains(field))
            .unwrap_or(base)
    }

    /// Fields that the value may be, the likeliest first.
    fn known(&self, slot: Slot) -> Vec<&'static str> {
        let word = self.word.as_str();
        match slot {
            Slot::Date => vec!["@timestamp"],
            Slot::Ip => match word {
                "to" | "dst" | "dest" | "destination" | "server" => vec!["destination.ip"],
                _ => vec!["source.ip", "destination.ip"],
            },
            Slot::Mac => vec!["source.mac"],
            Slot::Int => match (word, self.end) {
                ("sport" | "srcport", _) => vec!["source.port"],
                ("dport" | "dstport", _) => vec!["destination.port"],
                ("port" | "", Some("source")) => vec!["source.port"],
                ("port" | "", Some(_)) => vec!["destination.port"],
                ("pid", _) => vec!["process.pid"],
                _ => Vec::new(),
            },
            Slot::Word | Slot::Quoted | Slot::Hex => match word {
                "user" | "username" | "account" | "for" | "by" | "login" => vec!["user.name"],
                "group" => vec!["group.name"],
                "host" | "hostname" => vec!["host.name"],
                "file" | "path" => vec!["file.path"],
                "url" | "uri" => vec!["url.original"],
                "proto" | "protocol" => vec!["network.transport"],
                "process" | "program" => vec!["process.name"],
                _ => Vec::new(),
            },
            Slot::Float | Slot::Text => Vec::new(),
        }
    }
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    if text.contains(['\'', '\n', '\r', '\t']) || text.chars().any(char::is_control) {
        toml::Value::from(text).to_string()
    } else {
        format!("'{text}'")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use bytes::Bytes;
    use event::{Event, Field, Micros, Origin, Record, Transport};

    use super::super::Unparsed;
    use super::*;
    use crate::{Depth, ParseSettings, Parsers};

    fn record(line: &str) -> Record {
        let origin = Origin {
            transport: Transport::Udp,
            listener: "syslog".into(),
            peer: None,
            identity: None,
        };
        Record::new(Arc::new(origin), Micros(0), Bytes::from(line.to_owned()))
    }

    fn drafted(lines: &[String]) -> Draft {
        let parsers = Parsers::builtin();
        let mut unparsed = Unparsed::default();
        for line in lines {
            let mut event = Event::default();
            let settings = ParseSettings::default();
            parsers.parse_into(&record(line), &settings, Depth::Full, &mut event);
            assert_eq!(event.text(Field::NHATKY_PARSE), Some("header"), "{line}");
            unparsed.add(&event);
        }
        Draft::new("so.cong", &unparsed.ranked()).unwrap()
    }

    #[test]
    fn a_draft_understands_the_lines_that_it_was_drafted_from() {
        let head = "<13>Oct 11 22:14:15 may-chu-05 cong-truy-cap:";
        let lines: Vec<String> = (1..30)
            .flat_map(|i| {
                [
                    format!(
                        "{head} user an{i} refused at door {i} from 192.0.2.{i} port {}",
                        4000 + i
                    ),
                    format!(
                        "{head} {{cửa|{i}}} mở lúc 2026-10-11 22:14:{:02} <ok> 'a\\b'",
                        i % 60
                    ),
                ]
            })
            .collect();
        let draft = drafted(&lines);
        assert_eq!(draft.messages, 2);
        let texts = BTreeMap::from([("so.cong".to_owned(), draft.definition.clone())]);
        let parsers =
            Parsers::compile(texts).unwrap_or_else(|e| panic!("{e}\n{}", draft.definition));
        let mut event = Event::default();
        for line in &lines {
            let settings = ParseSettings::default();
            parsers.parse_into(&record(line), &settings, Depth::Full, &mut event);
            assert_eq!(
                (
                    event.text(Field::NHATKY_PRODUCT),
                    event.text(Field::NHATKY_PARSE)
                ),
                (Some("so.cong"), Some("full")),
                "{line}\n{}",
                draft.definition
            );
        }
        parsers.parse_into(
            &record(&lines[0]),
            &ParseSettings::default(),
            Depth::Full,
            &mut event,
        );
        assert_eq!(event.text(Field::USER_NAME), Some("an1"));
        assert_eq!(
            event.get(Field::SOURCE_PORT),
            Some(event::Value::Integer(4001))
        );
        // Of another kind of line later: behind what is there, under its prefix.
        let late = format!("{head} door 3 forced");
        let mut event = Event::default();
        let settings = ParseSettings::default();
        parsers.parse_into(&record(&late), &settings, Depth::Full, &mut event);
        let mut unparsed = Unparsed::default();
        unparsed.add(&event);
        let known = draft
            .definition
            .replace("vendor = 'so.cong'", "vendor = 'cong'");
        let extended = Draft::extending(&known, &unparsed.ranked()).unwrap();
        assert!(extended.definition.starts_with(known.trim_end()));
        assert!(
            extended.definition.contains("<cong.door:int> forced"),
            "{}",
            extended.definition
        );
        assert_eq!(
            draft.samples.len(),
            draft.samples.iter().collect::<BTreeSet<_>>().len()
        );
    }

    #[test]
    fn lines_that_nothing_tells_from_others_give_no_draft() {
        let event = {
            let mut event = Event::new(event::Seq(1), Bytes::from_static(b"1 2 3"));
            event.set(Field::MESSAGE, "a 1 2 3");
            event
        };
        let mut unparsed = Unparsed::default();
        unparsed.add(&event);
        let refused = Draft::new("so.cong", &unparsed.ranked());
        assert!(matches!(refused, Err(DraftError::NoAnchor { .. })));
        assert_eq!(Draft::new("so.cong", &[]), Err(DraftError::Nothing));
    }
}
