//! All definitions, and the main path: record → event.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use event::{
    Event, Field, Identity, Mark, Micros, Origin, ParseLevel, Record, SourceCategory, Value,
};

use crate::builtin::{BUILTIN, ENABLING};
use crate::class;
use crate::definition::source::Subject;
use crate::definition::{ClassRule, Definition, DefinitionError, Message};
use crate::enabling::Enabling;
use crate::explain::{Attempt, Explanation, Reason, Verdict};
use crate::format::structured_data;
use crate::frame::{Frame, Piece, Symbol};
use crate::gives::Gives;
use crate::header::{self, Header, Reference, ZoneFrom};
use crate::recognise::{AnchorError, Number, Recogniser};
use crate::settings::{ParseSettings, Sender};

/// How much of an event is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Fields that have a name of their own: what the index keeps and rules read.
    Core,
    /// Besides, the vendor's own under its prefix, `message`, and the names of syslog's codes.
    Full,
}

/// What is known of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductInfo {
    /// Its name: the folder under `parsers/`.
    pub name: Box<str>,
    /// Its name for people.
    pub title: Box<str>,
    /// What kind of thing it is.
    pub category: SourceCategory,
    /// A hash of the definition: when it changes, the index of the product's events is stale.
    pub fingerprint: u64,
    /// What its events can say.
    pub gives: Gives,
}

/// Why the definitions of a site cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A definition is wrong.
    #[error("parser {parser}: {problem}")]
    Definition {
        /// Which.
        parser: String,
        /// What is wrong, and where.
        problem: String,
    },
    /// All anchors together exceed what one automaton can hold.
    #[error("{0}")]
    Anchors(String),
}

/// Every parser there is, compiled.
#[derive(Debug)]
pub struct Parsers {
    pub(crate) definitions: Box<[Definition]>,
    products: Box<[ProductInfo]>,
    by_name: BTreeMap<Box<str>, Number>,
    recogniser: Recogniser,
    builtin: Box<[Builtin]>,
    texts: BTreeMap<String, String>,
    pub(crate) enabling: BTreeMap<String, Enabling>,
}

/// Symbols of fields that the engine itself asks about, by definition.
#[derive(Debug)]
struct Builtin {
    timestamp: Option<Symbol>,
}

impl Parsers {
    /// The parsers that come with the program.
    ///
    /// # Panics
    /// Never: a test compiles them all.
    #[must_use]
    pub fn builtin() -> Self {
        Self::load(None).expect("the built-in definitions compile: a test holds that")
    }

    /// The parsers that come with the program, and a site's own in `content/parsers/`, which take their places.
    ///
    /// # Errors
    /// When a file cannot be read or a definition is wrong; the message says where.
    pub fn load(content: Option<&Path>) -> Result<Self, LoadError> {
        let builtin = |texts: &[(&str, &str)]| -> BTreeMap<String, String> {
            let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
            texts.iter().map(owned).collect()
        };
        let (mut texts, mut enabling) = (builtin(BUILTIN), builtin(ENABLING));
        if let Some(content) = content {
            let folder = content.join("parsers");
            crate::content::read(&folder, "parser.toml", &mut texts)?;
            crate::content::read(&folder, "enable.toml", &mut enabling)?;
        }
        let mut parsers = Self::compile(texts)?;
        for (name, text) in enabling {
            let read = crate::enabling::read(&text).map_err(|problem| LoadError::Definition {
                parser: name.clone(),
                problem,
            })?;
            parsers.enabling.insert(name, read);
        }
        Ok(parsers)
    }

    pub(crate) fn compile(texts: BTreeMap<String, String>) -> Result<Self, LoadError> {
        let mut definitions = Vec::with_capacity(texts.len());
        let mut sources = Vec::with_capacity(texts.len());
        for (name, text) in &texts {
            let (definition, source) =
                Definition::compile(name, text).map_err(|error| problem(name, &error))?;
            definitions.push(definition);
            sources.push(source);
        }
        let recognise: Vec<_> = sources.iter().map(|source| &source.recognise).collect();
        let recogniser = Recogniser::compile(&recognise)
            .map_err(|error: AnchorError| LoadError::Anchors(error.to_string()))?;
        Ok(Self {
            products: definitions.iter().map(info).collect(),
            by_name: (0u16..)
                .zip(&definitions)
                .map(|(number, definition)| (definition.name.clone(), number))
                .collect(),
            builtin: definitions
                .iter()
                .map(|definition| Builtin {
                    timestamp: definition.symbols.find(Field::TIMESTAMP.name()),
                })
                .collect(),
            recogniser,
            definitions: definitions.into(),
            texts,
            enabling: BTreeMap::new(),
        })
    }

    /// What is known of each product, in the order of their names.
    pub fn products(&self) -> impl Iterator<Item = &ProductInfo> {
        self.products.iter()
    }

    /// The text of that product's definition.
    #[must_use]
    pub fn definition_text(&self, product: &str) -> Option<&str> {
        self.texts.get(product).map(String::as_str)
    }

    /// Makes `event` the event of `record`, keeping its buffers.
    pub fn parse_into(
        &self,
        record: &Record,
        settings: &ParseSettings,
        depth: Depth,
        event: &mut Event,
    ) {
        event.reset(record.seq, record.raw.clone());
        let text = text_of(&record.raw);
        let line = Line::read(&text, record, settings, depth);
        let found = self.find(record, &line);
        self.write(record, settings, &line, found.as_ref(), event);
    }

    /// How a record is understood, step by step.
    #[must_use]
    pub fn explain(&self, record: &Record, settings: &ParseSettings) -> Explanation {
        let text = text_of(&record.raw);
        let line = Line::read(&text, record, settings, Depth::Full);
        let header = line.header.clone();
        let tiers = [
            (Reason::Named, self.named(record, &line).collect::<Vec<_>>()),
            (
                Reason::Near,
                self.recogniser
                    .near(header.app_name, header.message)
                    .iter()
                    .collect(),
            ),
            (
                Reason::Anywhere,
                self.recogniser
                    .far(line.text, header.message)
                    .iter()
                    .collect(),
            ),
            (Reason::Always, self.recogniser.always().iter().collect()),
        ];
        let mut attempts = Vec::new();
        for (reason, candidates) in tiers {
            for number in candidates {
                attempts.extend(self.explain_attempt(reason, number, &line));
            }
        }
        let mut event = Event::default();
        self.parse_into(record, settings, Depth::Full, &mut event);
        Explanation::new(
            header.app_name,
            header.hostname,
            header.message,
            attempts,
            &event,
        )
    }

    fn explain_attempt(&self, reason: Reason, number: Number, line: &Line<'_>) -> Option<Attempt> {
        let definition = self.definitions.get(usize::from(number))?;
        let verdict = if !self.recogniser.requirements_met(number, line.text) {
            Verdict::Lacking
        } else {
            match self.attempt(number, line).and_then(|found| found.message) {
                Some(message) => Verdict::Message(message.name.clone()),
                None => Verdict::NoMessage,
            }
        };
        Some(Attempt {
            product: definition.name.clone(),
            reason,
            verdict,
        })
    }

    /// What in the settings names no product, or gives a layout that cannot be read: a sentence each.
    #[must_use]
    pub fn problems(&self, settings: &ParseSettings) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, sender) in settings.senders() {
            let products = sender.layouts.iter().map(|layout| &layout.product);
            for product in products.chain(&sender.product) {
                if !self.by_name.contains_key(product) {
                    problems.push(format!("sender {name}: no product {product:?}"));
                }
            }
            for layout in sender.layouts.iter() {
                let number = self.by_name.get(&layout.product).copied();
                let definition = number.and_then(|n| self.definitions.get(usize::from(n)));
                match definition.map(|definition| definition.compile_layout(&layout.text)) {
                    Some(Err(error)) => problems.push(format!("sender {name}: {error}")),
                    Some(Ok(None)) => {
                        let product = &layout.product;
                        problems.push(format!("sender {name}: {product} takes no layout"));
                    }
                    Some(Ok(Some(_))) | None => {}
                }
            }
        }
        problems
    }
}

/// The bytes as text, where they are not UTF-8 with U+FFFD in their place. Sound bytes, the rule, are checked faster.
fn text_of(raw: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(raw).map_or_else(|_| String::from_utf8_lossy(raw), Cow::Borrowed)
}

/// A line on its way.
struct Line<'a> {
    text: &'a str,
    header: Header<'a>,
    reference: Reference<'a>,
    zone_is_set: bool,
    depth: Depth,
    sender: Option<&'a Sender>,
}

/// What a line turned out to be.
struct Found<'a> {
    definition: &'a Definition,
    builtin: &'a Builtin,
    frame: Frame<'a>,
    /// What seemed to be a header was part of the product's own line.
    headless: bool,
    /// None: the product is known by its anchor, the message is not.
    message: Option<&'a Message>,
}

impl Parsers {
    fn find<'a>(&'a self, record: &Record, line: &Line<'a>) -> Option<Found<'a>> {
        let mut claimed = None;
        if let Some(found) = self.first(self.named(record, line), line, &mut claimed) {
            return Some(found);
        }
        let specific = |number: &Number| !self.is_generic(*number);
        let near = self
            .recogniser
            .near(line.header.app_name, line.header.message);
        if let Some(found) = self.first(near.iter().filter(specific), line, &mut claimed) {
            return Some(found);
        }
        let far = self.recogniser.far(line.text, line.header.message);
        if let Some(found) = self.first(far.iter().filter(specific), line, &mut claimed) {
            return Some(found);
        }
        // Which format it is written in, where no product is known.
        let formats = near.and(far);
        let generic = formats.iter().filter(|number| self.is_generic(*number));
        if let Some(found) = self.first(generic, line, &mut claimed) {
            return Some(found);
        }
        if claimed.is_some() {
            return claimed;
        }
        self.first(self.recogniser.always().iter(), line, &mut claimed)
    }

    fn is_generic(&self, number: Number) -> bool {
        let definition = self.definitions.get(usize::from(number));
        definition.is_some_and(|definition| definition.generic)
    }

    /// The definitions that the listener or the sender's settings name.
    fn named(&self, record: &Record, line: &Line<'_>) -> impl Iterator<Item = Number> {
        let own = self
            .recogniser
            .of_listener(&record.origin.listener)
            .iter()
            .copied();
        let hinted = line.sender.and_then(|sender| sender.product.as_deref());
        own.chain(hinted.and_then(|name| self.by_name.get(name)).copied())
    }

    /// The first of the candidates that knows the message; `claimed` keeps the first that knows its product.
    fn first<'a>(
        &'a self,
        candidates: impl Iterator<Item = Number>,
        line: &Line<'a>,
        claimed: &mut Option<Found<'a>>,
    ) -> Option<Found<'a>> {
        for number in candidates {
            let Some(found) = self.attempt(number, line) else {
                continue;
            };
            if found.message.is_some() {
                return Some(found);
            }
            if claimed.is_none() && !found.definition.tentative {
                *claimed = Some(found);
            }
        }
        None
    }

    /// None: this definition does not want the line at all.
    fn attempt<'a>(&'a self, number: Number, line: &Line<'a>) -> Option<Found<'a>> {
        if !self.recogniser.requirements_met(number, line.text) {
            return None;
        }
        let definition = self.definitions.get(usize::from(number))?;
        let builtin = self.builtin.get(usize::from(number))?;
        let mut reference = line.reference;
        if let Some(zone) = definition.zone.as_ref().filter(|_| !line.zone_is_set) {
            reference.zone = zone;
        }
        let mut frame = Frame::new(reference, line.depth, definition.symbols.len());
        frame.header_time = line.header_time(reference);
        let layout = line.sender.and_then(|sender| sender.layout(definition));
        let mut message =
            definition.apply(line.header.message, Some(&line.header), layout, &mut frame);
        // Without a PRI what looked like a header may be a part of the product's own line.
        let no_header =
            line.header.priority.is_none() && line.text.len() != line.header.message.len();
        let mut headless = false;
        if message.is_none() && no_header {
            let mut whole = Frame::new(reference, line.depth, definition.symbols.len());
            whole.header_time = frame.header_time;
            message = definition.apply(line.text, None, layout, &mut whole);
            if message.is_some() {
                (frame, headless) = (whole, true);
            }
        }
        Some(Found {
            definition,
            builtin,
            frame,
            headless,
            message,
        })
    }

    fn write(
        &self,
        record: &Record,
        settings: &ParseSettings,
        line: &Line<'_>,
        found: Option<&Found<'_>>,
        event: &mut Event,
    ) {
        let from_definition =
            found.and_then(|found| match found.frame.get(found.builtin.timestamp?)? {
                Piece::Date(at) => Some(*at),
                _ => None,
            });
        let mut claimed = from_definition;
        if from_definition.is_none() {
            claimed = match found {
                Some(found) => found.frame.header_time,
                None => line.header_time(line.reference),
            };
            event.append(
                Field::TIMESTAMP,
                Value::Date(claimed.unwrap_or(record.received_at)),
            );
        }
        write_receipt(record, event);
        if let Some(found) = found {
            found.frame.write(&found.definition.symbols, event);
        }
        let subject = found.map_or(Subject::Host, |found| found.definition.subject);
        if found.is_none_or(|found| !found.headless) {
            write_header(line, subject, event);
            write_structured_data(line, event);
        }
        if subject == Subject::Device && !event.has(Field::HOST_NAME) {
            let name = event.text(Field::OBSERVER_NAME).map(str::to_owned);
            if let Some(name) = name {
                event.append(Field::HOST_NAME, Value::Text(&name));
            }
        }
        if line.depth == Depth::Full {
            if !event.has(Field::MESSAGE) {
                event.append(Field::MESSAGE, Value::Text(line.header.message));
            }
            mirror_addresses(event);
        }
        self.write_own(record, settings, line, found, event);
        if !settings.geo().is_empty() {
            settings.geo().write(record.received_at, event);
        }
        if let Some(claimed) = claimed.filter(|_| !settings.clocks().is_empty()) {
            correct_clock(settings, line, claimed, event);
        }
    }

    /// The fields under `nhatky.` that say how the record was understood.
    fn write_own(
        &self,
        record: &Record,
        settings: &ParseSettings,
        line: &Line<'_>,
        found: Option<&Found<'_>>,
        event: &mut Event,
    ) {
        let definition = found.map(|found| found.definition);
        let message = found.and_then(|found| found.message);
        let level = match (definition, message) {
            _ if record.mark == Some(Mark::NotJson) => ParseLevel::Broken,
            (Some(definition), Some(_)) if definition.generic => ParseLevel::Generic,
            (Some(_), Some(_)) => ParseLevel::Full,
            (Some(_), None) => ParseLevel::Header,
            (None, _) if line.header.has_anything() => ParseLevel::Header,
            (None, _) => ParseLevel::None,
        };
        event.append(Field::NHATKY_PARSE, Value::Text(level.name()));
        if level == ParseLevel::Broken {
            event.set(Field::EVENT_KIND, "pipeline_error");
        } else if !event.has(Field::EVENT_KIND) {
            event.append(Field::EVENT_KIND, Value::Text("event"));
        }
        if let Some(definition) = definition {
            event.append(Field::NHATKY_PRODUCT, Value::Text(&definition.name));
            event.append(
                Field::NHATKY_CATEGORY,
                Value::Text(definition.category.name()),
            );
        }
        if let Some(message) = message {
            event.append(Field::NHATKY_MESSAGE, Value::Text(&message.name));
            let class = match message.class {
                ClassRule::ByCategory => class::of(event),
                ClassRule::None => None,
                ClassRule::Own(class) => Some(class),
            };
            if let Some(class) = class {
                event.append(Field::NHATKY_CLASS, Value::Text(class.name()));
            }
        }
        let product = definition.map_or("unknown", |definition| &definition.name);
        write_source(record, settings, &line.header, product, event);
    }
}

impl<'a> Line<'a> {
    fn read(text: &'a str, record: &Record, settings: &'a ParseSettings, depth: Depth) -> Self {
        let sender = settings.sender(|| record.origin.sender());
        let zone = sender.and_then(|sender| sender.zone.as_ref());
        let reference = Reference {
            time: record.reference_time,
            zone: zone.unwrap_or_else(|| settings.zone()),
        };
        Self {
            text: text.trim_end_matches(['\n', '\r', '\0']),
            header: header::decode(text, reference),
            reference,
            zone_is_set: zone.is_some(),
            depth,
            sender,
        }
    }

    /// The time of the header, read in the zone of `reference` where it names none itself.
    fn header_time(&self, reference: Reference<'_>) -> Option<Micros> {
        let stamp = self.header.timestamp?;
        if stamp.zone == ZoneFrom::Line || std::ptr::eq(reference.zone, self.reference.zone) {
            return Some(stamp.at);
        }
        let offset = i64::from(self.reference.zone.offset_at(stamp.at)) * Micros::PER_SECOND;
        Some(reference.zone.to_utc(stamp.at.0.saturating_add(offset)))
    }
}

/// How the record arrived.
fn write_receipt(record: &Record, event: &mut Event) {
    let origin = &record.origin;
    event.append(Field::EVENT_INGESTED, Value::Date(record.received_at));
    event.append(
        Field::NHATKY_TRANSPORT,
        Value::Text(origin.transport.name()),
    );
    event.append(Field::NHATKY_LISTENER, Value::Text(&origin.listener));
    if let Some(peer) = origin.peer {
        event.append(Field::NHATKY_PEER, Value::Address(peer.ip().to_canonical()));
    }
    if let Some(Identity::Tls(name) | Identity::Token(name) | Identity::Import(name)) =
        &origin.identity
    {
        event.append(Field::NHATKY_IDENTITY, Value::Text(name));
    }
    if let Some(Mark::Truncated { original_bytes }) = record.mark {
        let bytes = i64::try_from(original_bytes).unwrap_or(i64::MAX);
        event.append(Field::NHATKY_TRUNCATED, Value::Integer(bytes));
    }
}

/// What the syslog header says, where the definition has not said it.
fn write_header(line: &Line<'_>, subject: Subject, event: &mut Event) {
    let header = &line.header;
    let full = line.depth == Depth::Full;
    let code = |code: Option<u8>| code.map(|code| Value::Integer(code.into()));
    let name = |name: Option<&'static str>| name.filter(|_| full).map(Value::Text);
    let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).map(Value::Integer);
    let (host, hostname) = match subject {
        Subject::Host => (Field::HOST_NAME, Field::HOST_HOSTNAME),
        Subject::Observer | Subject::Device => (Field::OBSERVER_NAME, Field::OBSERVER_HOSTNAME),
    };
    let rows = [
        (Field::LOG_SYSLOG_PRIORITY, code(header.priority)),
        (Field::LOG_SYSLOG_FACILITY_CODE, code(header.facility())),
        (
            Field::LOG_SYSLOG_FACILITY_NAME,
            name(header.facility_name()),
        ),
        (Field::LOG_SYSLOG_SEVERITY_CODE, code(header.severity())),
        (
            Field::LOG_SYSLOG_SEVERITY_NAME,
            name(header.severity_name()),
        ),
        (Field::LOG_SYSLOG_HOSTNAME, header.hostname.map(Value::Text)),
        (Field::LOG_SYSLOG_APPNAME, header.app_name.map(Value::Text)),
        (Field::LOG_SYSLOG_PROCID, header.proc_id.map(Value::Text)),
        (Field::LOG_SYSLOG_MSGID, header.msg_id.map(Value::Text)),
        (Field::LOG_SYSLOG_VERSION, code(header.version)),
        (Field::NHATKY_SEQUENCE, counted(header.counter)),
    ];
    for (field, value) in rows {
        if let Some(value) = value {
            event.append(field, value);
        }
    }
    let sd = header.structured_data.filter(|_| full).map(Value::Text);
    // A process that the definition names need not be the one that wrote the line.
    let is_writer = event.text(Field::PROCESS_NAME).is_none_or(|name| {
        header
            .app_name
            .is_none_or(|app| app.eq_ignore_ascii_case(name))
    });
    let proc_id = header.proc_id.filter(|_| is_writer);
    let unless_given = [
        (Field::LOG_SYSLOG_STRUCTURED_DATA, sd),
        (host, header.hostname.map(Value::Text)),
        (hostname, header.hostname.filter(|_| full).map(Value::Text)),
        (Field::PROCESS_NAME, header.app_name.map(Value::Text)),
        (Field::PROCESS_PID, number(proc_id)),
        (Field::EVENT_SEQUENCE, counted(header.sequence)),
    ];
    for (field, value) in unless_given {
        if let Some(value) = value
            && value != Value::Text("")
            && !event.has(field)
        {
            event.append(field, value);
        }
    }
}

fn counted(number: Option<u64>) -> Option<Value<'static>> {
    number
        .and_then(|n| i64::try_from(n).ok())
        .map(Value::Integer)
}

/// Each parameter of RFC 5424's structured data under `log.syslog.structured_data.ID.NAME`, when everything is wanted.
fn write_structured_data(line: &Line<'_>, event: &mut Event) {
    let Some(data) = line
        .header
        .structured_data
        .filter(|_| line.depth == Depth::Full)
    else {
        return;
    };
    structured_data::params(data, |id, name, value| {
        event.push_named(&format!("log.syslog.structured_data.{id}.{name}"), &*value);
    });
}

/// `source.address` and its like are the address, else the name.
fn mirror_addresses(event: &mut Event) {
    for (address, ip, domain) in [
        (
            Field::SOURCE_ADDRESS,
            Field::SOURCE_IP,
            Field::SOURCE_DOMAIN,
        ),
        (
            Field::DESTINATION_ADDRESS,
            Field::DESTINATION_IP,
            Field::DESTINATION_DOMAIN,
        ),
    ] {
        if event.has(address) {
            continue;
        }
        let value = event.get(ip).or_else(|| event.get(domain));
        if let Some(text) = value.map(|value| value.to_text().into_owned()) {
            event.append(address, Value::Text(&text));
        }
    }
}

/// Puts the true time in the place of the one that the device claims, where its clock is known to be off.
fn correct_clock(settings: &ParseSettings, line: &Line<'_>, claimed: Micros, event: &mut Event) {
    let source = event.text(Field::NHATKY_SOURCE).unwrap_or_default();
    let host = line.header.hostname.unwrap_or_default();
    let corrected = settings
        .clocks()
        .correct(source, host, event.seq(), line.zone_is_set, claimed);
    if let Some(corrected) = corrected {
        event.set(Field::TIMESTAMP, corrected);
        event.append(Field::NHATKY_DEVICE_TIME, Value::Date(claimed));
    }
}

/// `nhatky.source`: `SENDER/PRODUCT`, behind a declared relay `PEER>HOSTNAME/PRODUCT`.
fn write_source(
    record: &Record,
    settings: &ParseSettings,
    header: &Header<'_>,
    product: &str,
    event: &mut Event,
) {
    let relay = record
        .origin
        .peer
        .is_some_and(|peer| settings.is_relay(peer.ip()));
    if let Some(hostname) = header.hostname.filter(|_| relay) {
        let sender = record.origin.sender();
        let source = format!("{sender}>{hostname}/{product}");
        return event.append(Field::NHATKY_SOURCE, Value::Text(&source));
    }
    SENDER.with_borrow_mut(|(origin, source, sender_bytes)| {
        if !origin
            .as_ref()
            .is_some_and(|origin| Arc::ptr_eq(origin, &record.origin))
        {
            source.clear();
            source.push_str(&record.origin.sender());
            source.push('/');
            *sender_bytes = source.len();
            *origin = Some(Arc::clone(&record.origin));
        }
        source.truncate(*sender_bytes);
        source.push_str(product);
        event.append(Field::NHATKY_SOURCE, Value::Text(source));
    });
}

thread_local! {
    /// The origin of the last record, `SENDER/` with what followed it, and the length of the former: the records of a
    /// connection come one after another, and writing an address costs as much as reading a date.
    static SENDER: RefCell<(Option<Arc<Origin>>, String, usize)> =
        const { RefCell::new((None, String::new(), 0)) };
}

impl Header<'_> {
    fn has_anything(&self) -> bool {
        self.priority.is_some() || self.timestamp.is_some() || self.hostname.is_some()
    }
}

fn info(definition: &Definition) -> ProductInfo {
    ProductInfo {
        name: definition.name.clone(),
        title: definition.title.clone(),
        category: definition.category,
        fingerprint: definition.fingerprint,
        gives: Gives::of(definition),
    }
}

fn problem(name: &str, error: &DefinitionError) -> LoadError {
    LoadError::Definition {
        parser: name.to_owned(),
        problem: error.to_string(),
    }
}
