//! Proves that every way to answer a query gives what the meaning says: generated events, generated queries, every way,
//! compared with an evaluator that shares no code with `query::matches`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event::{Event, Field, Micros, Seq, Value};
use index::{Counting, Index, IndexOptions, Scope, SearchRequest, Total, Way};
use query::{Bound, Condition, Expr, FieldName, Literal, Pattern, Phrase, Range, Regex, Test};

use crate::support::{Chance, MemorySource, at_depth};

const WORDS: [&str; 14] = [
    "failed", "Password", "user", "NGUYỄN", "nguyen", "Đặng", "dang", "port", "deny", "ssh2",
    "định", "session", "x1", "Log",
];
const NUMBERS: [&str; 9] = [
    "7", "22", "80", "443", "4711", "49152", "106023", "1234567", "2026",
];
const ADDRESSES: [&str; 6] = [
    "10.0.0.5",
    "10.0.0.55",
    "192.0.2.1",
    "198.51.100.7",
    "2001:db8::1",
    "2001:db8::22",
];
const COLORS: [&str; 4] = ["red", "dark blue", "Xanh Lục", "256"];
const OUTCOMES: [&str; 3] = ["success", "failure", "Failure"];
const REASONS: [&str; 4] = ["bad key", "Mật khẩu sai", "expired", "unknown-user 404"];

fn long_word() -> String {
    "fail".repeat(40)
}

// ---- events ---------------------------------------------------------------------------------------------------------

fn event(seq: u64, chance: &mut Chance) -> Event {
    let mut pieces: Vec<String> = Vec::new();
    for _ in 0..chance.below(6) {
        pieces.push(match chance.below(9) {
            0..4 => chance.pick(&WORDS).to_owned(),
            4 => chance.pick(&NUMBERS).to_owned(),
            5 => chance.pick(&ADDRESSES).to_owned(),
            6 => format!(
                "inside:{}/{}",
                chance.pick(&ADDRESSES[..4]),
                chance.pick(&NUMBERS)
            ),
            7 => format!("{}-{}", chance.pick(&WORDS), chance.pick(&WORDS)),
            _ if chance.percent(10) => long_word(),
            _ => "2026-10-11T22:14:15Z".to_owned(),
        });
    }
    let color = chance.percent(40).then(|| chance.pick(&COLORS));
    if let Some(color) = color {
        pieces.push(format!("color=\"{color}\""));
    }
    let escaped = chance.percent(5);
    if escaped {
        pieces.push(r"path=C:\\temp note=h\u1ed9p".to_owned());
    }
    let mut event = Event::new(Seq(seq), Bytes::from(pieces.join(" ")));
    fill_columns(&mut event, chance, seq);
    if chance.percent(30) {
        event.push(Field::EVENT_REASON, chance.pick(&REASONS));
    }
    if chance.percent(20) {
        event.push(Field::SOURCE_NAT_IP, chance.pick(&ADDRESSES));
    }
    if let Some(color) = color {
        event.push_named("acme.color", color);
    }
    if escaped {
        event.push_named("acme.note", "hộp");
    }
    event
}

fn fill_columns(event: &mut Event, chance: &mut Chance, seq: u64) {
    let jitter = chance.below(600) as i64;
    if !chance.percent(2) {
        event.set(
            Field::TIMESTAMP,
            Micros((seq as i64 * 10 + jitter) * Micros::PER_SECOND),
        );
    }
    if chance.percent(60) {
        event.push(Field::EVENT_OUTCOME, chance.pick(&OUTCOMES));
    }
    if chance.percent(60) {
        event.push(Field::USER_NAME, chance.pick(&WORDS));
    }
    for _ in 0..chance.below(3) {
        event.push(
            Field::EVENT_CATEGORY,
            chance.pick(&["network", "authentication", "session"]),
        );
    }
    if chance.percent(50) {
        event.push(Field::SOURCE_IP, chance.pick(&ADDRESSES));
    }
    if chance.percent(3) {
        event.push(Field::SOURCE_IP, "not an address");
    }
    if chance.percent(50) {
        event.push(Field::SOURCE_PORT, chance.pick(&NUMBERS));
    }
    if chance.percent(4) {
        event.push(Field::SOURCE_PORT, chance.pick(&["http", "80.5", "1e3"]));
    }
    if chance.percent(10) {
        event.push(Field::EVENT_CODE, chance.below(300) as i64);
    }
}

// ---- questions, and their meaning, naively -----------------------------------------------------------------------------

/// A question, as the naive evaluator knows it.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    All,
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    /// Consecutive words of the raw text.
    Words(String),
    /// A word of the raw text that begins so.
    Begins(String),
    /// The raw text contains this, as it stands.
    Contains(String),
    Is(&'static str, String),
    OneOf(&'static str, Vec<String>),
    BeginsValue(&'static str, String),
    Exists(&'static str),
    /// Numbers from one up to another.
    Numbers(&'static str, i64, i64),
    /// An IPv4 address that begins with these octets.
    Network(&'static str, [u8; 4], u8),
}

const FIELDS: [&str; 11] = [
    "event.outcome",
    "user.name",
    "event.category",
    "source.ip",
    "source.port",
    "event.reason",
    "source.nat.ip",
    "acme.color",
    "acme.note",
    "event.code",
    "absent.field",
];

pub(crate) fn ask(chance: &mut Chance, depth: u32) -> Ask {
    let inner = |chance: &mut Chance| ask(chance, depth - 1);
    if depth > 0 && chance.percent(55) {
        return match chance.below(5) {
            0 | 1 => Ask::And((0..2 + chance.below(2)).map(|_| inner(chance)).collect()),
            2 | 3 => Ask::Or((0..2 + chance.below(2)).map(|_| inner(chance)).collect()),
            _ => Ask::Not(Box::new(inner(chance))),
        };
    }
    let field = chance.pick(&FIELDS);
    match chance.below(14) {
        0 => Ask::All,
        1..4 => Ask::Words(words(chance)),
        4 => Ask::Begins(
            chance
                .pick(&["fail", "ngu", "pass", "s", "đặ", "x", "4", "failfail"])
                .to_owned(),
        ),
        5 => Ask::Contains(
            chance
                .pick(&["iled", "10.0", "-", "=", "NGUY", "user p"])
                .to_owned(),
        ),
        6..10 => Ask::Is(field, value(field, chance)),
        10 => Ask::OneOf(field, vec![value(field, chance), value(field, chance)]),
        11 => Ask::BeginsValue(
            field,
            chance
                .pick(&["n", "Đ", "fail", "10.0.0.", "4", "bad k"])
                .to_owned(),
        ),
        12 => Ask::Exists(field),
        _ if chance.percent(50) => {
            let low = chance.below(500) as i64;
            Ask::Numbers("source.port", low, low + chance.below(50_000) as i64)
        }
        _ => {
            let prefix = chance.pick(&[0_u8, 8, 24, 29, 32]);
            let field = chance.pick(&["source.ip", "source.nat.ip"]);
            Ask::Network(
                field,
                chance.pick(&[[10, 0, 0, 0], [10, 0, 0, 5], [192, 0, 2, 1]]),
                prefix,
            )
        }
    }
}

fn words(chance: &mut Chance) -> String {
    let mut words: Vec<String> = Vec::new();
    for _ in 0..1 + chance.below(3) {
        words.push(match chance.below(8) {
            0 => chance.pick(&NUMBERS).to_owned(),
            1 => chance.pick(&ADDRESSES[..4]).to_owned(),
            2 if chance.percent(20) => long_word(),
            _ => chance.pick(&WORDS).to_owned(),
        });
    }
    words.join(" ")
}

fn value(field: &str, chance: &mut Chance) -> String {
    if chance.percent(10) {
        return chance.pick(&["nothing", "7", "10.0.0.5"]).to_owned();
    }
    let values: &[&str] = match field {
        "event.outcome" => &["success", "FAILURE"],
        "user.name" => &WORDS,
        "event.category" => &["network", "Authentication"],
        "source.ip" | "source.nat.ip" => &ADDRESSES,
        "source.port" => &["80", "443", "4711", "http", "80.5", "1000", "049152"],
        "event.reason" => &["BAD KEY", "mat khau sai", "mật khẩu sai", "expired", "bad"],
        "acme.color" => &["red", "Dark Blue", "xanh luc", "xanh lục", "256", "blue"],
        "acme.note" => &["hop", "hộp"],
        _ => &["1", "22", "299"],
    };
    chance.pick(values).to_owned()
}

impl Ask {
    pub(crate) fn expr(&self) -> Expr {
        let field = |name: &&str, condition| Expr::field(FieldName::new(name), condition);
        match self {
            Self::All => Expr::All,
            Self::And(members) => Expr::and(members.iter().map(Self::expr)),
            Self::Or(members) => Expr::or(members.iter().map(Self::expr)),
            Self::Not(inner) => inner.expr().not(),
            Self::Words(text) => Expr::Test(Test::Text(Phrase::new(text).expect("has words"))),
            Self::Begins(text) => {
                let pattern = Pattern::from_text(&format!("{text}*"));
                Expr::Test(Test::Text(Phrase::like(pattern).expect("has a word")))
            }
            Self::Contains(text) => {
                let escaped: String = text.chars().map(|c| format!("[{c}]")).collect();
                let escaped = escaped.replace("[-]", "-");
                Expr::Test(Test::Regex(Regex::new(&escaped).expect("a small regex")))
            }
            Self::Is(name, text) => field(name, Condition::Is(Literal::new(text))),
            Self::OneOf(name, texts) => field(
                name,
                Condition::OneOf(texts.iter().map(|text| Literal::new(text)).collect()),
            ),
            Self::BeginsValue(name, text) => field(
                name,
                Condition::Like(Pattern::from_text(&format!("{text}*"))),
            ),
            Self::Exists(name) => field(name, Condition::Exists),
            Self::Numbers(name, low, high) => {
                let low = Bound::With(Literal::new(&low.to_string()));
                let high = Bound::With(Literal::new(&high.to_string()));
                field(name, Condition::Range(Range { low, high }))
            }
            Self::Network(name, octets, prefix) => {
                let network = format!("{}/{prefix}", IpAddr::from(*octets));
                let network: ipnet::IpNet = network.parse().expect("a network");
                field(name, Condition::Network(network.trunc()))
            }
        }
    }

    pub(crate) fn holds(&self, event: &Event) -> bool {
        let raw = String::from_utf8(event.raw().to_vec()).expect("made as text");
        match self {
            Self::All => true,
            Self::And(members) => members.iter().all(|member| member.holds(event)),
            Self::Or(members) => members.iter().any(|member| member.holds(event)),
            Self::Not(inner) => !inner.holds(event),
            Self::Words(text) => {
                let (asked, found) = (split(text), split(&raw));
                let in_a_row = found
                    .windows(asked.len())
                    .any(|run| asked.iter().zip(run).all(|(asked, word)| same(asked, word)));
                let addresses = v4_addresses(text);
                in_a_row
                    && addresses
                        .iter()
                        .all(|address| v4_addresses(&raw).contains(address))
            }
            Self::Begins(text) => split(&raw).iter().any(|word| begins(text, word)),
            Self::Contains(text) => raw.contains(text.as_str()),
            Self::Is(name, text) => values(event, name).iter().any(|value| is(value, text)),
            Self::OneOf(name, texts) => values(event, name)
                .iter()
                .any(|value| texts.iter().any(|text| is(value, text))),
            Self::BeginsValue(name, text) => values(event, name)
                .iter()
                .any(|value| begins(text, &value.to_text())),
            Self::Exists(name) => !values(event, name).is_empty(),
            Self::Numbers(name, low, high) => values(event, name).iter().any(|value| match value {
                Value::Integer(number) => (low..=high).contains(&number),
                Value::Float(number) => (*low as f64..=*high as f64).contains(number),
                _ => false,
            }),
            Self::Network(name, octets, prefix) => values(event, name).iter().any(|value| {
                let Value::Address(IpAddr::V4(address)) = value else {
                    return false;
                };
                let shift = 32 - u32::from(*prefix);
                let cut = |address: u32| u64::from(address) >> shift;
                cut(u32::from(*address)) == cut(u32::from_be_bytes(*octets))
            }),
        }
    }
}

pub(crate) fn values<'a>(event: &'a Event, name: &'a str) -> Vec<Value<'a>> {
    event
        .iter()
        .filter(|(field, _)| *field == name)
        .map(|(_, value)| value)
        .collect()
}

fn is(value: &Value<'_>, text: &str) -> bool {
    match value {
        Value::Text(value) => same(text, value),
        Value::Integer(number) => is_number(text, *number as f64),
        Value::Float(number) => is_number(text, *number),
        Value::Address(address) => text.parse::<IpAddr>().is_ok_and(|text| text == *address),
        Value::Date(_) | Value::Bool(_) => false,
    }
}

#[expect(clippy::float_cmp, reason = "the numbers of these tests are exact")]
fn is_number(text: &str, number: f64) -> bool {
    text.parse::<f64>().is_ok_and(|text| text == number)
}

/// Runs of letters and digits.
fn split(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Without the diacritics that occur in these tests.
fn plain(text: &str) -> String {
    let plain = |c| match c {
        'ễ' | 'ê' => 'e',
        'đ' => 'd',
        'ặ' | 'ậ' | 'ẩ' | 'ă' | 'â' => 'a',
        'ị' => 'i',
        'ụ' => 'u',
        'ộ' => 'o',
        c => c,
    };
    lower(text).chars().map(plain).collect()
}

/// What is asked without diacritics is any text, with them itself only.
fn same(asked: &str, found: &str) -> bool {
    let asked = lower(asked);
    if plain(&asked) == asked {
        asked == plain(found)
    } else {
        asked == lower(found)
    }
}

fn begins(asked: &str, found: &str) -> bool {
    let asked = lower(asked);
    let found = if plain(&asked) == asked {
        plain(found)
    } else {
        lower(found)
    };
    found.starts_with(&asked)
}

fn v4_addresses(text: &str) -> Vec<String> {
    let pieces = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    let addresses = pieces.filter(|piece| piece.parse::<std::net::Ipv4Addr>().is_ok());
    addresses.map(str::to_owned).collect()
}

// ---- the comparison ----------------------------------------------------------------------------------------------------

pub(crate) struct Case {
    pub(crate) events: Vec<Event>,
    pub(crate) index: Index,
    _folder: tempfile::TempDir,
}

/// An index of which the first `committed` events are in segments of about `size`, the rest fresh.
pub(crate) fn case(seed: u64, events: u64, committed: usize, size: usize) -> Case {
    let mut chance = Chance(seed);
    let mut seq = 0;
    let events: Vec<Event> = (0..events)
        .map(|_| {
            seq += 1 + u64::from(chance.percent(3));
            event(seq, &mut chance)
        })
        .collect();
    let source = Arc::new(MemorySource::default());
    let starts = [Seq(1), events[events.len() / 2].seq()];
    source.add(&events, &starts);
    let folder = tempfile::tempdir().expect("a temp dir");
    // What templates are made of, in two cases of three.
    let literals = [
        "failed", "user", "port", "deny", "session", "x1", "log", "ssh2", "password", "dang",
        "443", "color", "red", "inside",
    ];
    let share = usize::try_from(seed % 3).expect("small") * literals.len() / 2;
    let options = IndexOptions {
        literals: literals.into_iter().take(share).map(Box::from).collect(),
        commit_after: Duration::from_secs(3600),
        merge_events_max: 100,
        search_threads: 2,
        ..IndexOptions::default()
    };
    let index = Index::open(folder.path(), options, source).expect("opens");
    for batch in events[..committed].chunks(size) {
        publish(&index, batch);
        index.flush().expect("commits");
    }
    for batch in events[committed..].chunks(7) {
        publish(&index, batch);
    }
    Case {
        events,
        index,
        _folder: folder,
    }
}

fn publish(index: &Index, events: &[Event]) {
    let batch: Vec<Event> = events
        .iter()
        .map(|event| at_depth(event, index::Depth::Core))
        .collect();
    index.publish(batch.into()).expect("is open");
}

/// All hits, page by page.
fn hits(index: &Index, scope: &Scope, page: usize, counting: Counting) -> (Vec<u64>, Total) {
    let mut request = SearchRequest::new(scope.clone(), page);
    request.counting = counting;
    let mut all = Vec::new();
    loop {
        let result = index.search(&request).expect("searches");
        all.extend(result.hits.iter().map(|event| event.seq().0));
        request.cursor = result.next_cursor;
        if request.cursor.is_none() {
            return (all, result.total);
        }
    }
}

fn check_case(seed: u64, case: &Case, queries: u64) {
    let mut chance = Chance(seed ^ 0x5eed);
    for number in 0..queries {
        let ask = ask(&mut chance, 3);
        let mut scope = Scope::new(ask.expr());
        let last = case.events.last().expect("some events").seq().0 as i64;
        if chance.percent(30) {
            scope.from = Some(Micros(
                chance.below(last as u64) as i64 * 10 * Micros::PER_SECOND,
            ));
        }
        if chance.percent(30) {
            scope.to = Some(Micros(
                (last * 5 + chance.below(last as u64 * 6) as i64) * Micros::PER_SECOND,
            ));
        }
        if chance.percent(30) {
            let from = chance.below(last as u64 + 2);
            scope.seqs = Seq(from)..=Seq(from + chance.below(last as u64 + 2));
        }
        let in_span = |event: &Event| {
            let at = values(event, "@timestamp")
                .into_iter()
                .find_map(|value| match value {
                    Value::Date(at) => Some(at),
                    _ => None,
                });
            let after = scope
                .from
                .is_none_or(|from| at.is_some_and(|at| at >= from));
            let before = scope.to.is_none_or(|to| at.is_some_and(|at| at < to));
            after && before && scope.seqs.contains(&event.seq())
        };
        let expected: Vec<u64> = case
            .events
            .iter()
            .rev()
            .filter(|event| in_span(event) && ask.holds(event))
            .map(|event| event.seq().0)
            .collect();
        let page = usize::try_from(1 + chance.below(60)).expect("small");
        for way in [Way::Auto, Way::Columns, Way::Words, Way::Scan] {
            let scope = Scope {
                way,
                ..scope.clone()
            };
            let (found, total) = hits(&case.index, &scope, page, Counting::All);
            let place = format!(
                "seed {seed}, query {number}, {way:?}: {ask:?}\n{}",
                scope.expr
            );
            assert_eq!(found, expected, "{place}");
            assert_eq!(total, Total::Exactly(expected.len() as u64), "{place}");
        }
        let (found, _) = hits(&case.index, &scope, page, Counting::Page);
        assert_eq!(
            found, expected,
            "seed {seed}, query {number}, page only: {ask:?}"
        );
    }
}

#[test]
fn every_way_gives_what_the_meaning_says() {
    for seed in 0..16 {
        let size = 5 + usize::try_from(seed).expect("small") * 13;
        let case = case(seed, 260, 200, size);
        check_case(seed, &case, 50);
    }
}

#[test]
fn merged_segments_say_the_same() {
    for seed in 100..104 {
        let case = case(seed, 400, 400, 3);
        check_case(seed, &case, 50);
    }
}
