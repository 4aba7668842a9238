//! The work queue of what is not understood: lines of one shape are one cluster, with a template that fits them all.
//!
//! A tree of fixed depth (who speaks, how many tokens, the first two words) leads to few clusters, of which the most
//! similar takes the line: He et al., *Drain: An Online Log Parsing Approach with Fixed Depth Tree*, ICWS 2017. Values
//! that are known by their form (addresses, dates, numbers) are masked first. Memory is bounded whatever arrives.

mod draft;
mod risk;
mod token;

use std::collections::{BTreeMap, HashMap};

use event::{Event, EventClass, Field, Micros, Seq, Value};

pub use draft::{Draft, DraftError};
use token::{Slot, Token, tokens};

/// Bounds of what is kept.
const CLUSTERS_MAX: usize = 2_000;
const CLUSTERS_OF_A_KEY_MAX: usize = 100;
const SAMPLES_KEPT: usize = 20;
const SAMPLE_BYTES_MAX: usize = 8 << 10;
const SOURCES_KEPT: usize = 20;
/// How much of a line is looked at, in bytes.
const TEXT_BYTES_MAX: usize = 4 << 10;
/// A line joins a cluster with which it shares this many tenths of its words and values.
const SIMILAR_TENTHS: usize = 6;

/// Lines that are not understood, by their shape.
#[derive(Debug, Default)]
pub struct Unparsed {
    clusters: Vec<Cluster>,
    by_key: HashMap<Key, Vec<usize>>,
    lines: u64,
    left_out: u64,
}

/// Where in the tree clusters are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    group: Group,
    tokens: usize,
    first: Option<Token>,
    second: Option<Token>,
}

/// Who speaks: lines of different programs are never one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Group {
    product: Box<str>,
    app: Box<str>,
}

/// Lines of one shape.
#[derive(Clone, Debug)]
pub struct Cluster {
    group: Group,
    template: Vec<Token>,
    /// How many lines.
    pub events: u64,
    /// Bytes of their raw text.
    pub bytes: u64,
    /// Who sent them, with how many each: the first 20 senders.
    pub sources: BTreeMap<Box<str>, u64>,
    /// Receipt time of the first and the last of them.
    pub seen: (Micros, Micros),
    /// A few of them: the first, and those that made the template wider.
    pub samples: Vec<Sample>,
    /// The lowest syslog severity: 0 is an emergency.
    severity: Option<i64>,
}

/// A line of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its record.
    pub seq: Seq,
    /// The raw text, cut after 8 KiB.
    pub raw: String,
}

impl Unparsed {
    /// Takes an event that is not understood, parsed at full depth.
    pub fn add(&mut self, event: &Event) {
        let raw = String::from_utf8_lossy(event.raw());
        let text = event.text(Field::MESSAGE).unwrap_or(&raw);
        let text = cut(text.trim_end(), TEXT_BYTES_MAX);
        let named = |field| event.text(field).unwrap_or_default().into();
        let group = Group {
            product: named(Field::NHATKY_PRODUCT),
            app: named(Field::LOG_SYSLOG_APPNAME),
        };
        self.lines += 1;
        match self.cluster(group, tokens(text)) {
            Some((cluster, wider)) => cluster.count(event, &raw, wider),
            None => self.left_out += 1,
        }
    }

    /// How many lines were taken, and how many of them are in no cluster because there were too many of those.
    #[must_use]
    pub fn lines(&self) -> (u64, u64) {
        (self.lines, self.left_out)
    }

    /// The clusters, the most urgent first: many lines, or words that tell of one of the six classes.
    #[must_use]
    pub fn ranked(self) -> Vec<Cluster> {
        let mut clusters = joined(self.clusters);
        clusters.sort_by(|one, two| {
            two.urgency()
                .total_cmp(&one.urgency())
                .then_with(|| one.template().cmp(&two.template()))
        });
        clusters
    }

    /// The cluster for these tokens, and whether they have made its template wider.
    fn cluster(&mut self, group: Group, tokens: Vec<Token>) -> Option<(&mut Cluster, bool)> {
        let mut counting = tokens.iter().filter(|token| token.counts()).cloned();
        let key = Key {
            tokens: tokens.len(),
            first: counting.next(),
            second: counting.next(),
            group,
        };
        let known = self.by_key.get(&key).map_or(&[][..], Vec::as_slice);
        let similarity = |at: &usize| {
            let cluster = self.clusters.get(*at)?;
            Some((similarity(&cluster.template, &tokens)?, *at))
        };
        let best = known
            .iter()
            .filter_map(similarity)
            .max_by_key(|(shared, at)| (*shared, std::cmp::Reverse(*at)));
        if let Some((_, at)) = best {
            let cluster = self.clusters.get_mut(at)?;
            let wider = cluster.widen(&tokens);
            return Some((cluster, wider));
        }
        if self.clusters.len() >= CLUSTERS_MAX || known.len() >= CLUSTERS_OF_A_KEY_MAX {
            return None;
        }
        let cluster = Cluster::new(key.group.clone(), tokens);
        let at = self.clusters.len();
        self.by_key.entry(key).or_default().push(at);
        self.clusters.push(cluster);
        self.clusters.last_mut().map(|cluster| (cluster, true))
    }
}

/// Joins clusters that differ in their first words only, such as a name at the beginning.
fn joined(clusters: Vec<Cluster>) -> Vec<Cluster> {
    let mut by_shape: HashMap<(Group, usize), Vec<Cluster>> = HashMap::new();
    let mut order = Vec::new();
    for cluster in clusters {
        let shape = (cluster.group.clone(), cluster.template.len());
        let alike = by_shape.entry(shape.clone()).or_insert_with(|| {
            order.push(shape);
            Vec::new()
        });
        let partner = alike
            .iter_mut()
            .find(|known| similarity(&known.template, &cluster.template).is_some());
        match partner {
            Some(partner) => partner.join(cluster),
            None => alike.push(cluster),
        }
    }
    order
        .iter()
        .filter_map(|shape| by_shape.remove(shape))
        .flatten()
        .collect()
}

/// How many words and values are the same, in thousandths, where they are enough and what stands between them is the
/// same.
fn similarity(template: &[Token], tokens: &[Token]) -> Option<usize> {
    if template.len() != tokens.len() {
        return None;
    }
    let (mut same, mut all) = (0, 0);
    for (one, two) in template.iter().zip(tokens) {
        match (one.counts(), two.counts()) {
            (true, true) => {
                all += 1;
                same += usize::from(one == two);
            }
            (false, false) if one == two => {}
            _ => return None,
        }
    }
    let enough = same * 10 >= all * SIMILAR_TENTHS && same > 0;
    (enough && all > 0).then(|| same * 1_000 / all)
}

impl Cluster {
    fn new(group: Group, template: Vec<Token>) -> Self {
        Self {
            group,
            template,
            events: 0,
            bytes: 0,
            sources: BTreeMap::new(),
            seen: (Micros::MAX, Micros::MIN),
            samples: Vec::new(),
            severity: None,
        }
    }

    /// A name that stays the same as long as the template does.
    #[must_use]
    pub fn id(&self) -> String {
        let text = format!(
            "{}\n{}\n{}",
            self.group.product,
            self.group.app,
            self.template()
        );
        format!("{:016x}", crate::definition::fingerprint(&text))
    }

    /// The product that knows these lines as its own, but not this message.
    #[must_use]
    pub fn product(&self) -> Option<&str> {
        Some(&*self.group.product).filter(|name| !name.is_empty())
    }

    /// The syslog tag.
    #[must_use]
    pub fn app(&self) -> Option<&str> {
        Some(&*self.group.app).filter(|name| !name.is_empty())
    }

    /// The template for people: words as they stand, values by their kinds.
    #[must_use]
    pub fn template(&self) -> String {
        let mut text = String::new();
        for token in &self.template {
            match token {
                Token::Word(word) | Token::Between(word) => text.push_str(word),
                Token::Slot(slot) => {
                    text.push('<');
                    text.push_str(slot.name());
                    text.push('>');
                }
            }
        }
        text
    }

    /// The class that its words tell of: a guess.
    #[must_use]
    pub fn class(&self) -> Option<EventClass> {
        risk::class(&self.words())
    }

    /// By this clusters are ranked: the logarithm of their lines, and what their words and severity are worth.
    #[must_use]
    pub fn urgency(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rank, no count")]
        let volume = (self.events as f64).log2();
        let severe = self.severity.is_some_and(|severity| severity <= 4);
        volume + f64::from(risk::weight(&self.words())) + if severe { 3.0 } else { 0.0 }
    }

    fn words(&self) -> Vec<&str> {
        let words = self.template.iter().filter_map(|token| match token {
            Token::Word(word) => Some(&**word),
            Token::Between(_) | Token::Slot(_) => None,
        });
        words.collect()
    }

    /// Makes the template fit these tokens, too; says whether it had to change.
    fn widen(&mut self, tokens: &[Token]) -> bool {
        let mut wider = false;
        for (known, new) in self.template.iter_mut().zip(tokens) {
            if known == new {
                continue;
            }
            let slot = match (&*known, new) {
                (Token::Slot(one), Token::Slot(two)) => one.or(*two),
                _ => Slot::Word,
            };
            let slot = Token::Slot(slot);
            wider |= *known != slot;
            *known = slot;
        }
        wider
    }

    fn count(&mut self, event: &Event, raw: &str, wider: bool) {
        self.events += 1;
        self.bytes += event.raw().len() as u64;
        if let Some(source) = event.text(Field::NHATKY_SOURCE) {
            if let Some(events) = self.sources.get_mut(source) {
                *events += 1;
            } else if self.sources.len() < SOURCES_KEPT {
                self.sources.insert(source.into(), 1);
            }
        }
        if let Some(Value::Date(at)) = event.get(Field::EVENT_INGESTED) {
            self.seen = (self.seen.0.min(at), self.seen.1.max(at));
        }
        if let Some(Value::Integer(severity)) = event.get(Field::LOG_SYSLOG_SEVERITY_CODE) {
            self.severity = Some(self.severity.map_or(severity, |known| known.min(severity)));
        }
        let room = if wider {
            SAMPLES_KEPT
        } else {
            SAMPLES_KEPT / 4
        };
        if self.samples.len() < room {
            self.samples.push(Sample {
                seq: event.seq(),
                raw: cut(raw, SAMPLE_BYTES_MAX).to_owned(),
            });
        }
    }

    fn join(&mut self, other: Self) {
        self.widen(&other.template);
        self.events += other.events;
        self.bytes += other.bytes;
        for (source, events) in other.sources {
            if let Some(known) = self.sources.get_mut(&source) {
                *known += events;
            } else if self.sources.len() < SOURCES_KEPT {
                self.sources.insert(source, events);
            }
        }
        self.seen = (self.seen.0.min(other.seen.0), self.seen.1.max(other.seen.1));
        self.severity = match (self.severity, other.severity) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        self.samples.extend(other.samples);
        self.samples.truncate(SAMPLES_KEPT);
    }
}

/// The beginning of a text, at most so many bytes.
fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn event(number: u64, source: &str, app: &str, message: &str) -> Event {
        let raw = format!("<13>Oct 11 22:14:15 h {app}: {message}");
        let mut event = Event::new(Seq(number), Bytes::from(raw));
        event.set(Field::NHATKY_SOURCE, source);
        event.set(Field::LOG_SYSLOG_APPNAME, app);
        event.set(Field::MESSAGE, message);
        event.set(
            Field::EVENT_INGESTED,
            Micros(i64::try_from(number).unwrap()),
        );
        event
    }

    fn clusters(lines: impl IntoIterator<Item = (&'static str, String)>) -> Vec<Cluster> {
        let mut unparsed = Unparsed::default();
        for (number, (app, line)) in (1..).zip(lines) {
            unparsed.add(&event(number, "192.0.2.1/unknown", app, &line));
        }
        unparsed.ranked()
    }

    #[test]
    fn lines_of_one_shape_are_one_cluster() {
        let users = ["an", "binh", "chi", "dung"];
        let lines = (0..40).map(|i| {
            let line = match i % 2 {
                0 => format!("door {i} opened by {}", users[i / 2 % 4]),
                _ => format!("badge reader offline since {i} s"),
            };
            ("gate", line)
        });
        let found = clusters(lines);
        let shown: Vec<_> = found
            .iter()
            .map(|cluster| (cluster.template(), cluster.events))
            .collect();
        assert_eq!(
            shown,
            [
                ("badge reader offline since <int> s".to_owned(), 20),
                ("door <int> opened by <word>".to_owned(), 20),
            ]
        );
        assert_eq!(found[0].sources["192.0.2.1/unknown"], 20);
        assert_eq!(found[1].seen, (Micros(1), Micros(39)));
        assert!(found[1].samples.len() >= 2, "one that widened it as well");
    }

    #[test]
    fn a_name_at_the_beginning_makes_no_clusters_of_its_own() {
        let lines = (0..60).map(|i| {
            let name: String = "abcdefghij".chars().skip(i % 7).take(3).collect();
            ("app", format!("{name} logged in from 192.0.2.{i}"))
        });
        let found = clusters(lines);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].template(), "<word> logged in from <ip>");
    }

    #[test]
    fn what_tells_of_an_attack_comes_before_what_is_frequent() {
        let lines = (0..100)
            .map(|i| ("app", format!("tick {i}")))
            .chain([("app", "login failed for root".to_owned())]);
        let found = clusters(lines);
        assert_eq!(found[0].template(), "login failed for root");
        assert_eq!(found[0].class(), Some(EventClass::Login));
    }

    #[test]
    fn memory_is_bounded_by_any_lines() {
        let mut unparsed = Unparsed::default();
        for number in 0..10_000_u64 {
            // Every line has another shape.
            let line: String = (0..number % 97 + 2)
                .map(|i| char::from(b'a' + u8::try_from((number * 7 + i * i) % 26).unwrap()))
                .flat_map(|c| [c, ' '])
                .collect();
            unparsed.add(&event(number, &format!("h{number}/x"), "app", &line));
        }
        let (lines, left_out) = unparsed.lines();
        assert_eq!(lines, 10_000);
        assert!(unparsed.clusters.len() <= CLUSTERS_MAX);
        let counted: u64 = unparsed.clusters.iter().map(|cluster| cluster.events).sum();
        assert_eq!(counted + left_out, lines, "nothing is left out silently");
        assert!(
            unparsed
                .clusters
                .iter()
                .all(|c| c.sources.len() <= SOURCES_KEPT)
        );
    }
}
