//! Hits: events as Elasticsearch shows documents.
//!
//! `_source` is nested (`{"user": {"name": …}}`), as ECS documents are; where a field has a value itself and others
//! lie within it, those keep their dotted names beside it.

use std::collections::HashMap;

use event::{Event, Field, FieldKind, Micros};
use query::{Pattern, Piece};
use serde_json::{Map, Value, json};

use super::dates::Dates;
use super::fault::Fault;
use super::members::Members;

/// Which fields are shown, as far as it has been found out: matching names with patterns for each hit anew takes long.
#[derive(Debug, Default)]
pub(super) struct Known {
    source: HashMap<String, bool>,
    /// By which of the [`Shown::fields`].
    fields: HashMap<String, Option<usize>>,
}

/// The most names of fields that are kept in mind: vendors' own may be any.
const KNOWN_MAX: usize = 10_000;

/// The name under which everything kept is one index.
pub(super) const INDEX: &str = "nhatky";
/// The most patterns of one list.
const PATTERNS_MAX: usize = 256;

/// What of events is shown.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    source: Source,
    /// What `fields` and `docvalue_fields` hold.
    fields: Vec<ShownField>,
    pub(super) version: bool,
    pub(super) seq_no: bool,
    /// Whether a hit has a score, not null.
    pub(super) scored: bool,
}

#[derive(Clone, Debug)]
enum Source {
    None,
    /// Fields that some of the first are like, if there are any, and none of the second.
    Some(Vec<Names>, Vec<Names>),
}

/// A field or a group of fields.
#[derive(Clone, Debug)]
struct Names {
    pattern: Pattern,
    /// The same for everything within it.
    within: Pattern,
}

#[derive(Clone, Debug)]
struct ShownField {
    names: Pattern,
    dates: Dates,
}

impl Shown {
    /// Takes what says it out of the request.
    pub(super) fn read(members: &mut Members, dates: &Dates) -> Result<Self, Fault> {
        let mut source = source(members.take("_source"))?;
        let (includes, excludes) = (
            members.texts("_source_includes")?,
            members.texts("_source_excludes")?,
        );
        if includes.is_some() || excludes.is_some() {
            source = Source::Some(
                names(&includes.unwrap_or_default())?,
                names(&excludes.unwrap_or_default())?,
            );
        }
        // Nothing but `_source` is stored.
        let stored = members.texts("stored_fields")?.unwrap_or_default();
        for name in &stored {
            match name.as_str() {
                "_none_" => source = Source::None,
                "*" | "_source" => {}
                _ => {
                    return Err(Fault::argument(
                        "[stored_fields] is not supported: use [fields] or [_source]",
                    ));
                }
            }
        }
        let mut fields = shown_fields(members.take("fields"), dates)?;
        fields.extend(shown_fields(members.take("docvalue_fields"), dates)?);
        Ok(Self {
            source,
            fields,
            version: members.boolean("version")?.unwrap_or(false),
            seq_no: members.boolean("seq_no_primary_term")?.unwrap_or(false),
            scored: true,
        })
    }

    /// The hit that the event is.
    pub(super) fn hit(&self, event: &Event, sort: Option<Vec<Value>>, known: &mut Known) -> Value {
        let mut hit = Map::new();
        hit.insert("_index".to_owned(), json!(INDEX));
        hit.insert("_id".to_owned(), json!(event.seq().to_string()));
        let score = if self.scored { json!(1.0) } else { Value::Null };
        hit.insert("_score".to_owned(), score);
        if self.version {
            hit.insert("_version".to_owned(), json!(1));
        }
        if self.seq_no {
            hit.insert("_seq_no".to_owned(), json!(event.seq().0));
            hit.insert("_primary_term".to_owned(), json!(1));
        }
        let flat = match serde_json::to_value(event) {
            Ok(Value::Object(flat)) => flat,
            _ => Map::new(),
        };
        let fields = self.fields(&flat, known);
        if !fields.is_empty() {
            hit.insert("fields".to_owned(), Value::Object(fields));
        }
        if let Source::Some(includes, excludes) = &self.source {
            let is_shown = |name: &str| {
                (includes.is_empty() || includes.iter().any(|names| names.hold(name)))
                    && !excludes.iter().any(|names| names.hold(name))
            };
            let kept = flat
                .into_iter()
                .filter(|(name, _)| remembered(&mut known.source, name, is_shown));
            hit.insert("_source".to_owned(), Value::Object(nested(kept)));
        }
        if let Some(sort) = sort {
            hit.insert("sort".to_owned(), Value::Array(sort));
        }
        Value::Object(hit)
    }

    fn fields(&self, flat: &Map<String, Value>, known: &mut Known) -> Map<String, Value> {
        let mut fields = Map::new();
        if self.fields.is_empty() {
            return fields;
        }
        for (name, value) in flat {
            // The last that names it says how it is shown.
            let shown = remembered(&mut known.fields, name, |name| {
                self.fields
                    .iter()
                    .rposition(|shown| shown.names.matches(name))
            });
            let Some(shown) = shown.and_then(|at| self.fields.get(at)) else {
                continue;
            };
            let values = match value {
                Value::Array(values) => values.clone(),
                value => vec![value.clone()],
            };
            let is_date =
                Field::from_name(name).is_some_and(|field| field.kind() == FieldKind::Date);
            let values = values.into_iter().map(|value| match value.as_str() {
                Some(text) if is_date => match Micros::from_rfc3339(text) {
                    Some(at) => json!(shown.dates.show(at)),
                    None => value,
                },
                _ => value,
            });
            fields.insert(name.clone(), values.collect());
        }
        fields
    }
}

fn remembered<T: Copy>(known: &mut HashMap<String, T>, name: &str, find: impl Fn(&str) -> T) -> T {
    if let Some(found) = known.get(name) {
        return *found;
    }
    let found = find(name);
    if known.len() < KNOWN_MAX {
        known.insert(name.to_owned(), found);
    }
    found
}

impl Names {
    fn of(name: &str) -> Self {
        let pieces = |text: &str| -> Vec<Piece> {
            let each = text.chars().map(|c| match c {
                '*' => Piece::Run,
                c => Piece::Text(c.to_string().into()),
            });
            each.collect()
        };
        Self {
            pattern: Pattern::new(pieces(name)),
            within: Pattern::new(pieces(&format!("{name}.*"))),
        }
    }

    fn hold(&self, name: &str) -> bool {
        self.pattern.matches(name) || self.within.matches(name)
    }
}

/// Reads `_source`: true, false, patterns, or `{"includes": …, "excludes": …}`.
fn source(value: Option<Value>) -> Result<Source, Fault> {
    match value {
        None | Some(Value::Bool(true)) => Ok(Source::Some(Vec::new(), Vec::new())),
        Some(Value::Bool(false)) => Ok(Source::None),
        Some(Value::String(text)) => match text.as_str() {
            "true" => Ok(Source::Some(Vec::new(), Vec::new())),
            "false" => Ok(Source::None),
            text => Ok(Source::Some(names(&[text.to_owned()])?, Vec::new())),
        },
        Some(Value::Object(members)) => {
            let mut members = Members::of("_source", Value::Object(members))?;
            let mut take = |one: &str, other: &str| {
                let texts = match members.texts(one)? {
                    Some(texts) => Some(texts),
                    None => members.texts(other)?,
                };
                names(&texts.unwrap_or_default())
            };
            let includes = take("includes", "include")?;
            let excludes = take("excludes", "exclude")?;
            members.finish()?;
            Ok(Source::Some(includes, excludes))
        }
        Some(Value::Array(list)) => {
            let texts: Option<Vec<String>> = list
                .iter()
                .map(|value| value.as_str().map(str::to_owned))
                .collect();
            let texts =
                texts.ok_or_else(|| Fault::parsing("[_source] must hold names of fields"))?;
            Ok(Source::Some(names(&texts)?, Vec::new()))
        }
        Some(Value::Number(_) | Value::Null) => {
            Err(Fault::parsing("[_source] must be true, false or patterns"))
        }
    }
}

fn names(texts: &[String]) -> Result<Vec<Names>, Fault> {
    let texts: Vec<&str> = texts.iter().flat_map(|text| text.split(',')).collect();
    if texts.len() > PATTERNS_MAX || texts.iter().any(|text| text.len() > 1024) {
        return Err(Fault::argument(format!(
            "there are more than {PATTERNS_MAX} names of fields, or one is too long"
        )));
    }
    Ok(texts.into_iter().map(Names::of).collect())
}

/// Reads `fields` or `docvalue_fields`: names, or `{"field": …, "format": …}`.
fn shown_fields(value: Option<Value>, dates: &Dates) -> Result<Vec<ShownField>, Fault> {
    let list = match value {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(Value::String(text)) => text.split(',').map(|name| json!(name)).collect(),
        Some(_) => return Err(Fault::parsing("[fields] must be a list")),
    };
    if list.len() > PATTERNS_MAX {
        return Err(Fault::argument(format!(
            "there are more than {PATTERNS_MAX} [fields]"
        )));
    }
    let mut fields = Vec::with_capacity(list.len());
    for one in list {
        let (name, format) = match one {
            Value::String(name) => (name, None),
            one => {
                let mut members = Members::of("fields", one)?;
                let name = members.needed_text("field")?;
                let format = members.text("format")?;
                members.ignore(&["include_unmapped"]);
                members.finish()?;
                (name, format)
            }
        };
        let name = super::conditions::field_named(&name).name().to_owned();
        let format = format.filter(|format| format != "use_field_mapping");
        fields.push(ShownField {
            names: Names::of(&name).pattern,
            dates: dates.clone().with(format.as_deref(), None)?,
        });
    }
    Ok(fields)
}

/// Dotted names as objects within objects.
pub(super) fn nested(flat: impl IntoIterator<Item = (String, Value)>) -> Map<String, Value> {
    let mut root = Map::new();
    // Sorted, so that what has a value itself comes before what lies within it.
    let mut flat: Vec<(String, Value)> = flat.into_iter().collect();
    flat.sort_by(|one, two| one.0.cmp(&two.0));
    for (name, value) in flat {
        put(&mut root, &name, value);
    }
    root
}

/// Deeper than this a dotted name stays as it is.
const LEVELS_MAX: usize = 16;

fn put(root: &mut Map<String, Value>, name: &str, value: Value) {
    let mut within = root;
    let mut rest = name;
    for _ in 0..LEVELS_MAX {
        let Some((first, after)) = rest.split_once('.') else {
            break;
        };
        // Empty parts, and parts that have a value themselves, end the nesting.
        let can_nest = !first.is_empty()
            && !after.is_empty()
            && within.get(first).is_none_or(Value::is_object);
        if !can_nest {
            break;
        }
        let Value::Object(next) = within
            .entry(first)
            .or_insert_with(|| Value::Object(Map::new()))
        else {
            return;
        };
        within = next;
        rest = after;
    }
    within.insert(rest.to_owned(), value);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use event::Seq;

    use super::*;

    fn shown(request: Value) -> Result<Shown, Fault> {
        let mut members = Members::of("request", request)?;
        let shown = Shown::read(&mut members, &Dates::new(Micros(0)))?;
        members.finish()?;
        Ok(shown)
    }

    fn event() -> Event {
        let mut event = Event::new(Seq(7), Bytes::from_static(b"raw"));
        event.set(Field::USER_NAME, "an");
        event.set(Field::EVENT_CATEGORY, "iam");
        event.set(Field::TIMESTAMP, Micros(1_791_756_855_123_456));
        event.push_named("vendor", "x");
        event.push_named("vendor.id", "y");
        event
    }

    #[test]
    fn an_event_is_a_nested_document() {
        let hit = shown(json!({}))
            .unwrap()
            .hit(&event(), None, &mut Known::default());
        assert_eq!(
            hit,
            json!({
                "_index": "nhatky", "_id": "7", "_score": 1.0,
                "_source": {
                    "@timestamp": "2026-10-11T22:14:15.123456Z",
                    "user": {"name": "an"},
                    "event": {"category": ["iam"], "original": "raw"},
                    "nhatky": {"seq": 7},
                    "vendor": "x",
                    "vendor.id": "y",
                },
            })
        );
    }

    #[test]
    fn source_is_filtered_and_fields_are_shown_flat() {
        let source = |request: Value| {
            shown(request)
                .unwrap()
                .hit(&event(), None, &mut Known::default())["_source"]
                .clone()
        };
        assert_eq!(source(json!({"_source": false})), Value::Null);
        assert_eq!(source(json!({"stored_fields": "_none_"})), Value::Null);
        assert_eq!(
            source(json!({"_source": ["user", "event.c*"]})),
            json!({"user": {"name": "an"}, "event": {"category": ["iam"]}})
        );
        assert_eq!(
            source(json!({"_source": {"includes": "event.*", "excludes": ["event.original"]}})),
            json!({"event": {"category": ["iam"]}})
        );
        let fields = |request: Value| {
            shown(request)
                .unwrap()
                .hit(&event(), None, &mut Known::default())["fields"]
                .clone()
        };
        assert_eq!(
            fields(
                json!({"fields": ["user.*", {"field": "@timestamp", "format": "epoch_millis"}]})
            ),
            json!({"user.name": ["an"], "@timestamp": ["1791756855123"]})
        );
        assert_eq!(
            fields(json!({"docvalue_fields": ["@timestamp", "event.category"]})),
            json!({"@timestamp": ["2026-10-11T22:14:15.123Z"], "event.category": ["iam"]})
        );
        for wrong in [
            json!({"_source": 7}),
            json!({"_source": {"x": 1}}),
            json!({"stored_fields": ["user.name"]}),
            json!({"fields": [{"format": "x"}]}),
            json!({"fields": vec!["a"; 300]}),
        ] {
            assert!(shown(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_that_cannot_be_nested_stay_as_they_are() {
        let flat = [("a.", 1), (".b", 2), ("c..d", 3), ("e.f", 4), ("e", 5)];
        let flat = flat.map(|(name, value)| (name.to_owned(), json!(value)));
        assert_eq!(
            Value::Object(nested(flat)),
            json!({"a.": 1, ".b": 2, "c": {".d": 3}, "e": 5, "e.f": 4})
        );
        let deep = vec!["x"; 100].join(".");
        let nested = nested([(deep, json!(1))]);
        assert_eq!(nested.len(), 1);
    }
}
