//! The values of an event by the fields that rules ask about, gathered in one pass for all rules.

use std::borrow::Cow;
use std::collections::HashMap;

use event::{Event, Field, Value};
use query::FieldName;

use crate::clause::Kept;

/// A field that rules ask about: its place in [`Fields`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FieldId(pub(crate) u32);

/// No field, and no value.
const NONE: u32 = u32::MAX;

/// The fields that rules ask about, numbered.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    names: Vec<FieldName>,
    /// By [`Field::number`].
    known: Vec<u32>,
    named: HashMap<Box<str>, u32, ahash::RandomState>,
    /// Those that stand for the first of several that is there: these, the first first.
    first_of: Vec<(FieldId, Box<[FieldId]>)>,
    first_of_ids: HashMap<Kept, FieldId, ahash::RandomState>,
}

impl Fields {
    /// The number of where values are kept, given now if it had none.
    pub(crate) fn kept(&mut self, kept: &Kept) -> FieldId {
        if let [only] = &*kept.0 {
            return self.id(only);
        }
        if let Some(id) = self.first_of_ids.get(kept) {
            return *id;
        }
        let members = kept.0.iter().map(|field| self.id(field)).collect();
        let id = FieldId(u32::try_from(self.names.len()).unwrap_or(NONE));
        self.names.push(FieldName::new(""));
        self.first_of.push((id, members));
        self.first_of_ids.insert(kept.clone(), id);
        id
    }

    /// The number of that field, given now if it had none.
    pub(crate) fn id(&mut self, field: &FieldName) -> FieldId {
        if self.known.is_empty() {
            self.known = vec![NONE; Field::all().count()];
        }
        let next = u32::try_from(self.names.len()).unwrap_or(NONE);
        let place = match field.known() {
            Some(known) => self.known.get_mut(known.number()),
            None => Some(self.named.entry(field.name().into()).or_insert(NONE)),
        };
        match place {
            Some(place) if *place == NONE => *place = next,
            Some(place) => return FieldId(*place),
            None => {}
        }
        self.names.push(field.clone());
        FieldId(next)
    }

    pub(crate) fn name(&self, id: FieldId) -> Option<&FieldName> {
        self.names.get(id.0 as usize)
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    fn of_known(&self, field: Field) -> Option<FieldId> {
        let id = self.known.get(field.number()).copied()?;
        (id != NONE).then_some(FieldId(id))
    }
}

/// The values of one event.
#[derive(Debug)]
pub(crate) struct View<'e> {
    values: Vec<Seen<'e>>,
}

/// A value of one event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'e> {
    field: FieldId,
    /// The field of the event that it stands in: another one where `field` is the first of several.
    pub(crate) stands_in: FieldId,
    pub(crate) value: Value<'e>,
    /// The value before it of the same field.
    before: u32,
}

/// For each field its last value; empty between events.
#[derive(Debug, Default)]
pub(crate) struct Heads(Vec<u32>);

impl Heads {
    fn head(&self, field: FieldId) -> u32 {
        self.0.get(field.0 as usize).copied().unwrap_or(NONE)
    }
}

impl<'e> View<'e> {
    /// `original` is the event's [`Event::original`], which is a value like others.
    pub(crate) fn of(
        fields: &Fields,
        event: &'e Event,
        original: &'e Cow<'e, str>,
        heads: &mut Heads,
    ) -> Self {
        heads.0.resize(fields.len(), NONE);
        let mut view = Self {
            values: Vec::with_capacity(96),
        };
        for (field, value) in event.iter_known() {
            if let Some(id) = fields.of_known(field) {
                view.push(id, value, heads);
            }
        }
        if !fields.named.is_empty() {
            for (name, value) in event.iter_named() {
                if let Some(id) = fields.named.get(name) {
                    view.push(FieldId(*id), value, heads);
                }
            }
        }
        if let Some(id) = fields.of_known(Field::EVENT_ORIGINAL) {
            view.push(id, Value::Text(original), heads);
        }
        if let Some(id) = fields.of_known(Field::NHATKY_SEQ) {
            let seq = i64::try_from(event.seq().0).unwrap_or(i64::MAX);
            view.push(id, Value::Integer(seq), heads);
        }
        for (id, members) in &fields.first_of {
            let there = |member: &&FieldId| heads.head(**member) != NONE;
            let Some(member) = members.iter().find(there) else {
                continue;
            };
            let mut place = heads.head(*member);
            while let Some(seen) = view.values.get(place as usize).copied() {
                place = seen.before;
                view.push_in(*id, *member, seen.value, heads);
            }
        }
        view
    }

    fn push(&mut self, field: FieldId, value: Value<'e>, heads: &mut Heads) {
        self.push_in(field, field, value, heads);
    }

    fn push_in(&mut self, field: FieldId, stands_in: FieldId, value: Value<'e>, heads: &mut Heads) {
        let Some(head) = heads.0.get_mut(field.0 as usize) else {
            return;
        };
        let place = u32::try_from(self.values.len()).unwrap_or(NONE);
        self.values.push(Seen {
            field,
            stands_in,
            value,
            before: *head,
        });
        *head = place;
    }

    /// The values of one field.
    pub(crate) fn values(&self, field: FieldId, heads: &Heads) -> impl Iterator<Item = Seen<'e>> {
        let mut place = heads.head(field);
        std::iter::from_fn(move || {
            let seen = self.values.get(place as usize)?;
            place = seen.before;
            Some(*seen)
        })
    }

    /// Empties the heads for the next event.
    pub(crate) fn leave(self, heads: &mut Heads) {
        for seen in self.values {
            if let Some(head) = heads.0.get_mut(seen.field.0 as usize) {
                *head = NONE;
            }
        }
    }
}
