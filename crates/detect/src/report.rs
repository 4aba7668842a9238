//! A firing in the words that people and the registry get: identity, facts, evidence, query.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use event::{Detection, Event, Field, Micros};
use query::{Condition as Ask, Context, Expr, FieldName, Literal, Pattern, Piece};
use sha2::{Digest, Sha256};

use crate::absence::Silent;
use crate::detector::Moment;
use crate::episode::{Episode, Evidence, Fired};
use crate::key::{self, KeyField, KeyPart};
use crate::rate::Excess;
use crate::regular::Rhythm;
use crate::rule::{Input, Kind, Rule};
use crate::usual::Band;

/// A firing, with what is known beyond its event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Firing<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) moment: Moment<'a>,
    pub(crate) fired: &'a Fired,
    pub(crate) facts: &'a [(&'static str, String)],
}

/// Fields of the completing event that texts may name.
const FACTS: &[Field] = &[
    Field::SOURCE_IP,
    Field::SOURCE_PORT,
    Field::DESTINATION_IP,
    Field::DESTINATION_PORT,
    Field::USER_NAME,
    Field::USER_DOMAIN,
    Field::USER_TARGET_NAME,
    Field::GROUP_NAME,
    Field::HOST_NAME,
    Field::OBSERVER_NAME,
    Field::RULE_ID,
    Field::RULE_NAME,
    Field::EVENT_CODE,
    Field::EVENT_ACTION,
    Field::EVENT_REASON,
    Field::NETWORK_TRANSPORT,
    Field::FILE_PATH,
    Field::PROCESS_NAME,
    Field::PROCESS_COMMAND_LINE,
    Field::SOURCE_BYTES,
    Field::URL_PATH,
    Field::MESSAGE,
    Field::NHATKY_PRODUCT,
    Field::NHATKY_SOURCE,
    Field::NHATKY_MESSAGE,
];

/// Longer facts are cut.
const FACT_BYTES_MAX: usize = 400;

/// The Detection of a firing.
pub(crate) fn detection(rule: &Rule, version: &str, firing: Firing<'_>) -> Detection {
    let Firing {
        key,
        moment,
        fired,
        facts,
    } = firing;
    let mut evidence = Evidence::default();
    for seq in &fired.seqs {
        evidence.push(*seq);
    }
    let silent = matches!(rule.kind, Kind::Absence { .. });
    let mut all = if silent {
        BTreeMap::new()
    } else {
        event_facts(moment.event)
    };
    for (part, text) in parts(rule).zip(key::texts(key)) {
        all.insert(part.what.name().to_owned(), text.into());
    }
    all.extend(
        rule.info
            .tunables
            .iter()
            .map(|tunable| (tunable.name.to_owned(), tunable.value.clone())),
    );
    if let Input::Rules {
        listed: Some(listed),
        ..
    } = &rule.input
        && let Some((value, list)) = listed.hit(moment.event, moment.at)
    {
        all.insert("list".to_owned(), list.into());
        all.insert("listed".to_owned(), value.to_text().into());
    }
    all.extend(
        facts
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.clone())),
    );
    let entity = match silent {
        true => key::texts(key)
            .first()
            .and_then(|sender| event::Entity::host(sender)),
        false => rule
            .entity
            .as_ref()
            .and_then(|field| key::entity(field, field.value(moment.event)?)),
    };
    Detection {
        id: hex(&identity(&rule.info.id, key, moment.seq)),
        rule: rule.info.id.clone(),
        rules_version: version.into(),
        key: key::texts(key),
        entity,
        disposition: rule.info.disposition,
        effect: rule.info.effect,
        seq: moment.seq,
        first_at: fired.first_at,
        last_at: fired.last_at,
        count: fired.count,
        evidence: evidence.seqs(),
        query: evidence_query(rule, key, moment.event),
        facts: all,
    }
}

/// The parts of the key as it is shown: for first contacts the group's, then the value's.
fn parts(rule: &Rule) -> impl Iterator<Item = &KeyPart> {
    let value = match &rule.kind {
        Kind::FirstSeen { field, .. } => field.as_slice(),
        _ => &[],
    };
    rule.keys.iter().take(1).flatten().chain(value)
}

fn event_facts(event: &Event) -> BTreeMap<String, String> {
    let fact = |field: &Field| {
        let text = event.get(*field)?.to_text();
        let end = text.floor_char_boundary(FACT_BYTES_MAX);
        Some((field.name().to_owned(), text.get(..end)?.to_owned()))
    };
    let mut facts: BTreeMap<String, String> = FACTS.iter().filter_map(fact).collect();
    if let Some(device) = KeyField::Device.value(event) {
        facts.insert("nhatky.device".to_owned(), device.to_text().into_owned());
    }
    facts
}

/// The events that the rule looked at, with the values of the key. When they happened is `first_at` and `last_at`.
fn evidence_query(rule: &Rule, key: &[u8], event: &Event) -> String {
    if matches!(rule.kind, Kind::Absence { .. }) {
        return sender_query(key);
    }
    let same = parts(rule).filter_map(|part| {
        let names = part.what.field_names();
        let value = Literal::new(&part.what.value(event)?.to_text());
        let same = |name| Expr::field(FieldName::new(name), Ask::Is(value.clone()));
        (!names.is_empty()).then(|| Expr::or(names.into_iter().map(same)))
    });
    let same: Vec<Expr> = same.collect();
    // Kept as text alone: thousands of rules have one, and few of them ever fire.
    let mut context = Context::at(Micros(0));
    context.limits.text_bytes = usize::MAX;
    context.limits.clauses = usize::MAX;
    context.limits.regexes = usize::MAX;
    match query::parse(&rule.info.query, &context).into_result() {
        Ok(own) => Expr::and(std::iter::once(own).chain(same)).to_string(),
        Err(_) if same.is_empty() => rule.info.query.clone(),
        Err(_) => format!("({}) AND {}", rule.info.query, Expr::and(same)),
    }
}

/// Everything from a sender, and from those behind it if it is a relay.
fn sender_query(key: &[u8]) -> String {
    let texts = key::texts(key);
    let sender = texts.first().map_or("", |text| &**text);
    let from = |mark: &str| {
        let pieces = [Piece::Text(format!("{sender}{mark}").into()), Piece::Run];
        Expr::field(Field::NHATKY_SOURCE, Ask::Like(Pattern::new(pieces)))
    };
    Expr::or([from("/"), from(">")]).to_string()
}

/// The identity of a Detection: the first half of SHA-256 over rule, key and Seq.
pub(crate) fn identity(rule: &str, key: &[u8], seq: event::Seq) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(rule.as_bytes());
    hash.update([0]);
    hash.update(key);
    hash.update([0]);
    hash.update(seq.0.to_be_bytes());
    let whole: [u8; 32] = hash.finalize().into();
    let mut half = [0; 16];
    half.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    half
}

pub(crate) fn hex(bytes: &[u8]) -> Box<str> {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes all that is written");
    }
    text.into()
}

/// The key of the relay that a sender's key names: `PEER>HOST` lies behind `PEER`.
pub(crate) fn relay_of(key: &[u8]) -> Option<Vec<u8>> {
    let texts = key::texts(key);
    let (relay, _) = texts.first()?.split_once('>')?;
    let mut key = Vec::new();
    key::write_value(&KeyField::Sender, event::Value::Text(relay), &mut key).then_some(key)
}

/// The firing of a silence.
pub(crate) fn silence(silent: &Silent, at: Micros) -> Fired {
    Fired {
        first_at: silent.last_received,
        last_at: at,
        count: 1,
        seqs: vec![silent.last_seq],
    }
}

pub(crate) fn silence_facts(silent: &Silent) -> Vec<(&'static str, String)> {
    vec![
        ("silent_for", minutes(silent.silent_us)),
        ("patience", minutes(silent.patience_us)),
        ("last_seen", silent.last_received.to_string()),
    ]
}

/// The firing of a window with far more than usual.
pub(crate) fn excess(excess: &Excess, at: Micros) -> Fired {
    Fired {
        first_at: excess.first_at,
        last_at: at,
        count: excess.count,
        seqs: excess.seqs.clone(),
    }
}

pub(crate) fn excess_facts(excess: &Excess) -> Vec<(&'static str, String)> {
    let Band {
        median,
        low,
        high,
        samples,
        since,
    } = excess.band;
    vec![
        ("events", excess.count.to_string()),
        ("usual", median.to_string()),
        ("usual_low", format!("{:.0}", low.max(0.0))),
        ("usual_high", format!("{high:.0}")),
        ("learnt_windows", samples.to_string()),
        ("learnt_since", since.to_string()),
    ]
}

pub(crate) fn rhythm_facts(rhythm: Rhythm) -> Vec<(&'static str, String)> {
    vec![
        ("interval", minutes(rhythm.interval_us)),
        ("jitter", format!("{} %", rhythm.jitter)),
    ]
}

/// Opens an episode, `true`, unless one is open that this belongs to.
pub(crate) fn open_or_extend(
    open: &mut Option<Box<Episode>>,
    id: [u8; 16],
    fired: &Fired,
    window_us: i64,
) -> bool {
    match open {
        Some(episode) if episode.holds(fired.first_at, window_us) => {
            episode.extend(
                fired.last_at,
                fired.seqs.last().copied().unwrap_or_default(),
            );
            false
        }
        over => {
            *over = Some(Box::new(Episode::open(id, fired)));
            true
        }
    }
}

fn minutes(micros: i64) -> String {
    let seconds = micros / Micros::PER_SECOND;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_32_digits_of_rule_key_and_seq() {
        let id = |rule, key: &[u8], seq| hex(&identity(rule, key, event::Seq(seq)));
        assert_eq!(id("r", b"k", 1).len(), 32);
        assert_eq!(id("r", b"k", 1), id("r", b"k", 1));
        assert_ne!(id("r", b"k", 1), id("r", b"k", 2));
        assert_ne!(id("r", b"k", 1), id("s", b"k", 1));
    }
}
