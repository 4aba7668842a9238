//! All rules on events, asked at once of one event: the one way by which rules match.
//!
//! Each rule has a *witness*: a set of questions of which one must be answered with yes for it to match, the rarest
//! there are. Three steps: *gates*, the log sources that the event belongs to, by equalities that they need; *scan*, one
//! pass over the values that finds what the witnesses of the rules behind open gates ask, and every other equality on
//! the fields that it looks up for them; *rules*, those whose witness has spoken, asked in full, each question at most
//! once whoever asks. A rule without a witness (one that only says what must not be there) is asked at every event of
//! its log source.
//!
//! Always true: a rule matches exactly when its gate and its clause hold of the event, as `query::matches` has it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use event::{Event, Value};
use query::{Condition, FieldName, Literal};

use crate::clause::{Ask, Clause};
use crate::scan::{At, Found, Key, Scan, ScanBuilder, Scannable, TestId};
use crate::sigma_value;
use crate::time_part::TimePart;
use crate::view::{FieldId, Fields, Heads, Seen, View};

/// A rule to be matched: its place among the rules, its log source, and what it asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch<'a> {
    pub(crate) place: usize,
    pub(crate) gate: &'a Clause,
    pub(crate) clause: &'a Clause,
}

/// The rules on events, ready to match.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    fields: Fields,
    tests: Vec<Test>,
    gates: Vec<Gate>,
    gate_index: GateIndex,
    /// Ascending by their places.
    rules: Vec<Watched>,
    /// For each question, the rules whose witness it belongs to.
    witnessed: Vec<Vec<u32>>,
}

/// One question of one field, asked by any number of rules.
#[derive(Debug)]
struct Test {
    field: FieldId,
    asked: Asked,
}

#[derive(Debug)]
enum Asked {
    Condition(Condition),
    /// A text in small ASCII letters that stands there; values outside ASCII are asked by the condition.
    Text {
        text: Box<str>,
        at: At,
        condition: Condition,
    },
    Refer {
        other: FieldId,
        place: sigma_value::Place,
        cased: bool,
    },
    Part {
        part: TimePart,
        low: i64,
        high: i64,
        utc_offset_minutes: i32,
    },
}

/// A clause over questions.
#[derive(Debug)]
enum Node {
    All,
    None,
    And(Box<[Self]>),
    Or(Box<[Self]>),
    Not(Box<Self>),
    Test(TestId),
    /// A question that the scan of the rule's gate asks, one of the rule's witness or an equality that costs nothing
    /// more: what was not found is answered with no.
    Scanned(TestId),
}

/// A log source.
#[derive(Debug)]
struct Gate {
    node: Node,
    /// Its rules that have no witness.
    always: Vec<u32>,
    /// Finds what the witnesses of its other rules ask.
    scan: Scan,
}

#[derive(Debug)]
struct Watched {
    place: usize,
    gate: usize,
    node: Node,
}

/// Finds the gates that may be open by a value that each of them needs.
#[derive(Debug, Default)]
struct GateIndex {
    fields: Vec<(FieldId, GatesByValue)>,
    /// Gates that need no value.
    always: Vec<usize>,
}

/// Gates by a folded value.
type GatesByValue = HashMap<Box<str>, Vec<usize>, ahash::RandomState>;

/// Buffers that are used again for each event.
#[derive(Debug, Default)]
pub(crate) struct MatchBuffer {
    heads: Heads,
    folded: String,
    answers: Vec<Answer>,
    answered: Vec<TestId>,
    open: Vec<usize>,
    /// Rules to be asked in full.
    candidates: Vec<u32>,
    /// For each rule, whether it is among them.
    listed: Vec<bool>,
}

impl MatchBuffer {
    /// The log sources that the event belongs to, ascending.
    pub(crate) fn open_gates(&self) -> &[usize] {
        &self.open
    }
}

/// What is known of a question for this event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Answer {
    #[default]
    Unknown,
    Maybe,
    Yes,
    No,
}

/// What matching costs in memory, and what it could not speed up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatcherSize {
    /// Rules that are matched.
    pub rules: usize,
    /// Different questions of one field that they ask.
    pub questions: usize,
    /// Log sources.
    pub gates: usize,
    /// The ids of the rules that are asked at every event of their log source, because they only say what must not be
    /// there.
    pub always: Vec<Box<str>>,
    /// The same, by their places.
    pub(crate) always_places: Vec<usize>,
    /// Bytes of the automaton that finds texts, about.
    pub automaton_bytes: usize,
}

impl Matcher {
    /// The matcher of these rules.
    pub(crate) fn of(watches: &[Watch<'_>]) -> Result<Self, aho_corasick::BuildError> {
        let mut build = Build::default();
        let mut gate_clauses: Vec<&Clause> = Vec::new();
        let mut rules = Vec::with_capacity(watches.len());
        for watch in watches {
            let known = gate_clauses.iter().position(|gate| **gate == *watch.gate);
            let gate = known.unwrap_or(gate_clauses.len());
            if known.is_none() {
                gate_clauses.push(watch.gate);
            }
            let node = build.node(watch.clause);
            rules.push(Watched {
                place: watch.place,
                gate,
                node,
            });
        }
        let gate_index = build.gate_index(&gate_clauses);
        let mut gates: Vec<Gate> = Vec::with_capacity(gate_clauses.len());
        for clause in gate_clauses {
            gates.push(Gate {
                node: build.node(clause),
                always: Vec::new(),
                scan: Scan::default(),
            });
        }
        let Build {
            fields,
            tests,
            scannable,
            presence,
            uses,
            ids: _,
        } = build;
        let mut scans: Vec<ScanBuilder> = Vec::new();
        scans.resize_with(gates.len(), ScanBuilder::default);
        let judge = Judge {
            scannable: &scannable,
            presence: &presence,
            uses: &uses,
        };
        let mut witnessed = vec![Vec::new(); tests.len()];
        let mut taken: BTreeSet<(usize, TestId)> = BTreeSet::new();
        for (number, rule) in rules.iter_mut().enumerate() {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let Some(gate) = gates.get_mut(rule.gate) else {
                continue;
            };
            let Some((_, witness)) = judge.witness(&rule.node) else {
                gate.always.push(number);
                continue;
            };
            let witness: BTreeSet<TestId> = witness.into_iter().collect();
            for id in witness {
                let place = id.0 as usize;
                let how = scannable.get(place).and_then(Option::as_ref);
                if let (Some(test), Some(how), Some(scan), true) = (
                    tests.get(place),
                    how,
                    scans.get_mut(rule.gate),
                    taken.insert((rule.gate, id)),
                ) {
                    scan.take(test.field, how, id);
                }
                if let Some(rules) = witnessed.get_mut(place) {
                    rules.push(number);
                }
            }
        }
        for rule in &mut rules {
            let Some(scan) = scans.get_mut(rule.gate) else {
                continue;
            };
            rule.node.each_test(&mut |node, id| {
                let place = id.0 as usize;
                let how = scannable.get(place).and_then(Option::as_ref);
                if let (Some(test), Some(how @ Scannable::Equal(_))) = (tests.get(place), how)
                    && scan.looks_up(test.field)
                    && taken.insert((rule.gate, id))
                {
                    scan.take(test.field, how, id);
                }
                if taken.contains(&(rule.gate, id)) {
                    *node = Node::Scanned(id);
                }
            });
        }
        for (gate, scan) in gates.iter_mut().zip(scans) {
            gate.scan = scan.build()?;
        }
        Ok(Self {
            fields,
            tests,
            gates,
            gate_index,
            rules,
            witnessed,
        })
    }

    /// Calls `matched` with the place of each rule that the event matches, ascending.
    pub(crate) fn matching(
        &self,
        event: &Event,
        buffer: &mut MatchBuffer,
        mut matched: impl FnMut(usize),
    ) {
        if self.rules.is_empty() {
            return;
        }
        buffer.answers.resize(self.tests.len(), Answer::Unknown);
        buffer.listed.resize(self.rules.len(), false);
        let original = event.original();
        let view = View::of(&self.fields, event, &original, &mut buffer.heads);
        self.open_gates(&view, buffer);
        if !buffer.open.is_empty() {
            self.find_candidates(&view, buffer);
            let mut candidates = std::mem::take(&mut buffer.candidates);
            candidates.sort_unstable();
            for number in candidates.drain(..) {
                if let Some(listed) = buffer.listed.get_mut(number as usize) {
                    *listed = false;
                }
                let Some(rule) = self.rules.get(number as usize) else {
                    continue;
                };
                if buffer.open.contains(&rule.gate) && self.holds(&rule.node, &view, buffer) {
                    matched(rule.place);
                }
            }
            buffer.candidates = candidates;
        }
        for test in buffer.answered.drain(..) {
            if let Some(answer) = buffer.answers.get_mut(test.0 as usize) {
                *answer = Answer::Unknown;
            }
        }
        view.leave(&mut buffer.heads);
    }

    /// The number of the log source of a rule on events.
    pub(crate) fn gate_of(&self, place: usize) -> Option<usize> {
        let at = self.rules.binary_search_by_key(&place, |rule| rule.place);
        Some(self.rules.get(at.ok()?)?.gate)
    }

    /// How big it is.
    pub(crate) fn size(&self) -> MatcherSize {
        let always = self.gates.iter().flat_map(|gate| &gate.always);
        MatcherSize {
            rules: self.rules.len(),
            questions: self.tests.len(),
            gates: self.gates.len(),
            always: Vec::new(),
            always_places: always
                .filter_map(|number| self.rules.get(*number as usize))
                .map(|rule| rule.place)
                .collect(),
            automaton_bytes: self.gates.iter().map(|gate| gate.scan.heap_bytes()).sum(),
        }
    }

    fn open_gates(&self, view: &View<'_>, buffer: &mut MatchBuffer) {
        buffer.open.clear();
        let mut open = std::mem::take(&mut buffer.open);
        open.extend(&self.gate_index.always);
        self.gate_index.candidates(view, &buffer.heads, &mut open);
        open.sort_unstable();
        open.dedup();
        open.retain(|gate| {
            self.gates
                .get(*gate)
                .is_some_and(|gate| self.asks(&gate.node, view, &buffer.heads))
        });
        buffer.open = open;
    }

    fn find_candidates(&self, view: &View<'_>, buffer: &mut MatchBuffer) {
        let MatchBuffer {
            heads,
            folded,
            answers,
            answered,
            open,
            candidates,
            listed,
        } = buffer;
        let mut candidate = |number: u32| {
            if let Some(listed) = listed.get_mut(number as usize).filter(|listed| !**listed) {
                *listed = true;
                candidates.push(number);
            }
        };
        let mut note = |test: TestId, found| {
            let Some(answer) = answers.get_mut(test.0 as usize) else {
                return;
            };
            if *answer == Answer::Unknown {
                answered.push(test);
                let rules = self.witnessed.get(test.0 as usize);
                rules
                    .into_iter()
                    .flatten()
                    .for_each(|number| candidate(*number));
            }
            match found {
                Found::Surely => *answer = Answer::Yes,
                Found::Maybe if *answer == Answer::Unknown => *answer = Answer::Maybe,
                Found::Maybe => {}
            }
        };
        for gate in open.iter().filter_map(|gate| self.gates.get(*gate)) {
            gate.scan.run(view, heads, folded, &mut note);
        }
        for gate in open.iter().filter_map(|gate| self.gates.get(*gate)) {
            gate.always.iter().for_each(|number| candidate(*number));
        }
    }

    /// Whether the clause holds, after the scan.
    fn holds(&self, node: &Node, view: &View<'_>, buffer: &mut MatchBuffer) -> bool {
        match node {
            Node::All => true,
            Node::None => false,
            Node::And(members) => members.iter().all(|node| self.holds(node, view, buffer)),
            Node::Or(members) => members.iter().any(|node| self.holds(node, view, buffer)),
            Node::Not(inner) => !self.holds(inner, view, buffer),
            Node::Test(id) => self.answer(*id, view, buffer),
            Node::Scanned(id) => {
                buffer.answers.get(id.0 as usize) != Some(&Answer::Unknown)
                    && self.answer(*id, view, buffer)
            }
        }
    }

    fn answer(&self, id: TestId, view: &View<'_>, buffer: &mut MatchBuffer) -> bool {
        let Some(test) = self.tests.get(id.0 as usize) else {
            return false;
        };
        let known = buffer
            .answers
            .get(id.0 as usize)
            .copied()
            .unwrap_or_default();
        match known {
            Answer::Yes => return true,
            Answer::No => return false,
            Answer::Unknown => buffer.answered.push(id),
            Answer::Maybe => {}
        }
        let yes = self.is_met(test, view, &buffer.heads);
        if let Some(answer) = buffer.answers.get_mut(id.0 as usize) {
            *answer = if yes { Answer::Yes } else { Answer::No };
        }
        yes
    }

    /// Whether the clause holds, each question asked anew: for gates, before the scan.
    fn asks(&self, node: &Node, view: &View<'_>, heads: &Heads) -> bool {
        match node {
            Node::All => true,
            Node::None => false,
            Node::And(members) => members.iter().all(|node| self.asks(node, view, heads)),
            Node::Or(members) => members.iter().any(|node| self.asks(node, view, heads)),
            Node::Not(inner) => !self.asks(inner, view, heads),
            Node::Test(id) | Node::Scanned(id) => self
                .tests
                .get(id.0 as usize)
                .is_some_and(|test| self.is_met(test, view, heads)),
        }
    }

    fn is_met(&self, test: &Test, view: &View<'_>, heads: &Heads) -> bool {
        let mut values = view.values(test.field, heads);
        match &test.asked {
            Asked::Condition(condition) => {
                let meets = |seen: Seen<'_>| {
                    let name = self.fields.name(seen.stands_in);
                    name.is_some_and(|name| condition.meets(name, seen.value))
                };
                values.any(meets)
            }
            Asked::Text {
                text,
                at,
                condition,
            } => {
                let meets = |seen: Seen<'_>| match seen.value {
                    Value::Text(value) if value.is_ascii() => stands(text, *at, value),
                    value => {
                        let name = self.fields.name(seen.stands_in);
                        name.is_some_and(|name| condition.meets(name, value))
                    }
                };
                values.any(meets)
            }
            Asked::Refer {
                other,
                place,
                cased,
            } => values.any(|seen| {
                view.values(*other, heads)
                    .any(|other| sigma_value::stands_in(other.value, seen.value, *place, *cased))
            }),
            Asked::Part {
                part,
                low,
                high,
                utc_offset_minutes,
            } => values.any(|seen| {
                part.of(seen.value, *utc_offset_minutes)
                    .is_some_and(|number| (*low..=*high).contains(&number))
            }),
        }
    }
}

/// Whether the text in small letters stands there in the value, whatever that one's case. Both are ASCII.
fn stands(text: &str, at: At, value: &str) -> bool {
    let (text, value) = (text.as_bytes(), value.as_bytes());
    let Some(behind) = value.len().checked_sub(text.len()) else {
        return false;
    };
    let same = |part: Option<&[u8]>| part.is_some_and(|part| part.eq_ignore_ascii_case(text));
    match at {
        At::Start => same(value.get(..text.len())),
        At::End => same(value.get(behind..)),
        At::Anywhere | At::Part => {
            let Some(first) = text.first() else {
                return true;
            };
            let starts = value.get(..=behind).unwrap_or_default();
            memchr::memchr2_iter(*first, first.to_ascii_uppercase(), starts)
                .any(|start| same(value.get(start..start + text.len())))
        }
    }
}

impl Node {
    /// Calls `each` with every question's node and its number.
    fn each_test(&mut self, each: &mut impl FnMut(&mut Self, TestId)) {
        match self {
            Self::And(members) | Self::Or(members) => {
                members.iter_mut().for_each(|member| member.each_test(each));
            }
            Self::Not(inner) => inner.each_test(each),
            Self::Test(id) | Self::Scanned(id) => {
                let id = *id;
                each(self, id);
            }
            Self::All | Self::None => {}
        }
    }
}

/// Questions, as rules bring them.
#[derive(Debug, Default)]
struct Build {
    fields: Fields,
    tests: Vec<Test>,
    ids: HashMap<Ask, TestId, ahash::RandomState>,
    /// For each question, how a scan can answer it.
    scannable: Vec<Option<Scannable>>,
    /// For each question that no scan can answer, the one whether its field is there at all.
    presence: Vec<Option<TestId>>,
    /// How many rules ask each question.
    uses: Vec<u32>,
}

impl Build {
    fn node(&mut self, clause: &Clause) -> Node {
        match clause {
            Clause::All => Node::All,
            Clause::None => Node::None,
            Clause::And(members) => Node::And(members.iter().map(|one| self.node(one)).collect()),
            Clause::Or(members) => Node::Or(members.iter().map(|one| self.node(one)).collect()),
            Clause::Not(inner) => Node::Not(Box::new(self.node(inner))),
            Clause::Ask(ask) => Node::Test(self.test(ask)),
        }
    }

    fn test(&mut self, ask: &Ask) -> TestId {
        if let Some(id) = self.ids.get(ask) {
            if let Some(uses) = self.uses.get_mut(id.0 as usize) {
                *uses += 1;
            }
            return *id;
        }
        let id = TestId(u32::try_from(self.tests.len()).unwrap_or(u32::MAX));
        let field = self.fields.kept(ask.field());
        let (asked, scannable) = match ask {
            Ask::Field(_, condition) => {
                let scannable = Scannable::of(condition);
                let asked = match &scannable {
                    Some(Scannable::Text { text, at }) if *at != At::Part => Asked::Text {
                        text: text.clone(),
                        at: *at,
                        condition: condition.clone(),
                    },
                    _ => Asked::Condition(condition.clone()),
                };
                (asked, scannable)
            }
            Ask::Refer {
                other,
                place,
                cased,
                ..
            } => {
                let asked = Asked::Refer {
                    other: self.fields.kept(other),
                    place: *place,
                    cased: *cased,
                };
                (asked, None)
            }
            Ask::Part {
                part,
                low,
                high,
                utc_offset_minutes,
                ..
            } => {
                let asked = Asked::Part {
                    part: *part,
                    low: *low,
                    high: *high,
                    utc_offset_minutes: *utc_offset_minutes,
                };
                (asked, None)
            }
        };
        self.tests.push(Test { field, asked });
        let has_none = scannable.is_none();
        self.scannable.push(scannable);
        self.uses.push(1);
        self.presence.push(None);
        self.ids.insert(ask.clone(), id);
        if has_none {
            let there = Ask::Field(ask.field().clone(), Condition::Exists);
            let there = self.test(&there);
            if let Some(place) = self.presence.get_mut(id.0 as usize) {
                *place = Some(there);
            }
        }
        id
    }

    /// The index of gates: each by the values of which it needs one, those values that the fewest gates need.
    fn gate_index(&mut self, gates: &[&Clause]) -> GateIndex {
        let mut shared: HashMap<(&str, &str), usize> = HashMap::new();
        for gate in gates {
            each_equality(gate, &mut |field, literal| {
                *shared.entry((field, literal)).or_default() += 1;
            });
        }
        let mut index = GateIndex::default();
        let mut fields: BTreeMap<FieldId, GatesByValue> = BTreeMap::new();
        for (number, gate) in gates.iter().enumerate() {
            let Some((_, needed)) = needed_values(gate, &shared) else {
                index.always.push(number);
                continue;
            };
            for (field, literal) in needed {
                let by_value = fields.entry(self.fields.id(&FieldName::new(field)));
                let gates = by_value.or_default().entry(query::fold(literal).into());
                gates.or_default().push(number);
            }
        }
        index.fields = fields.into_iter().collect();
        index
    }
}

impl GateIndex {
    fn candidates(&self, view: &View<'_>, heads: &Heads, candidates: &mut Vec<usize>) {
        for (field, by_value) in &self.fields {
            for seen in view.values(*field, heads) {
                let gates = by_value.get(&*query::fold(&seen.value.to_text()));
                candidates.extend(gates.into_iter().flatten());
            }
        }
    }
}

/// The equalities of a clause: field and value.
fn each_equality<'c>(clause: &'c Clause, visit: &mut impl FnMut(&'c str, &'c str)) {
    match clause {
        Clause::And(members) | Clause::Or(members) => {
            members
                .iter()
                .for_each(|member| each_equality(member, visit));
        }
        Clause::Ask(Ask::Field(field, condition)) => {
            if let [field] = &*field.0 {
                for literal in equalities(condition) {
                    visit(field.name(), literal.text());
                }
            }
        }
        Clause::All | Clause::None | Clause::Not(_) | Clause::Ask(_) => {}
    }
}

fn equalities(condition: &Condition) -> &[Literal] {
    match condition {
        Condition::Is(literal) => std::slice::from_ref(literal),
        Condition::OneOf(literals) => literals,
        _ => &[],
    }
}

/// Values of which an event must have one for the clause to hold, and how many gates share them.
fn needed_values<'c>(
    clause: &'c Clause,
    shared: &HashMap<(&str, &str), usize>,
) -> Option<(usize, Vec<(&'c str, &'c str)>)> {
    match clause {
        Clause::And(members) => members
            .iter()
            .filter_map(|member| needed_values(member, shared))
            .min_by_key(|(cost, _)| *cost),
        Clause::Or(members) => {
            let mut all = (0, Vec::new());
            for member in members {
                let (cost, values) = needed_values(member, shared)?;
                all.0 += cost;
                all.1.extend(values);
            }
            Some(all)
        }
        Clause::Ask(Ask::Field(field, condition)) => {
            let [field] = &*field.0 else { return None };
            let values: Vec<_> = equalities(condition)
                .iter()
                .map(|literal| (field.name(), literal.text()))
                .collect();
            let cost = values.iter().filter_map(|value| shared.get(value)).sum();
            (!values.is_empty()).then_some((cost, values))
        }
        Clause::All | Clause::None | Clause::Not(_) | Clause::Ask(_) => None,
    }
}

/// Chooses witnesses.
#[derive(Clone, Copy, Debug)]
struct Judge<'a> {
    scannable: &'a [Option<Scannable>],
    presence: &'a [Option<TestId>],
    uses: &'a [u32],
}

impl Judge<'_> {
    /// Questions of which one must be answered with yes for the clause to hold, those least often answered so; and how
    /// often that is, as a number to compare.
    fn witness(&self, node: &Node) -> Option<(u64, Vec<TestId>)> {
        match node {
            Node::And(members) => members
                .iter()
                .filter_map(|member| self.witness(member))
                .min_by_key(|(cost, _)| *cost),
            Node::Or(members) => {
                let mut all = (0_u64, Vec::new());
                for member in members {
                    let (cost, tests) = self.witness(member)?;
                    all.0 = all.0.saturating_add(cost);
                    all.1.extend(tests);
                }
                Some(all)
            }
            Node::Test(id) | Node::Scanned(id) => {
                let place = id.0 as usize;
                let test = match self.scannable.get(place).and_then(Option::as_ref) {
                    Some(_) => *id,
                    None => self.presence.get(place).copied().flatten()?,
                };
                Some((self.cost(test)?, vec![test]))
            }
            Node::None => Some((0, Vec::new())),
            Node::All | Node::Not(_) => None,
        }
    }

    fn cost(&self, test: TestId) -> Option<u64> {
        let place = test.0 as usize;
        let cost = match self.scannable.get(place).and_then(Option::as_ref)? {
            Scannable::Presence => 4_000,
            Scannable::Equal(keys) => {
                let each = |key: &Key| if key.text_bytes() < 4 { 200 } else { 100 };
                keys.iter().map(each).sum()
            }
            Scannable::Text { text, .. } => match text.len() {
                0..=2 => 3_000,
                3 => 800,
                4 => 400,
                5..=7 => 150,
                8..=15 => 60,
                _ => 20,
            },
        };
        let uses = self.uses.get(place).copied().unwrap_or(1);
        Some(cost * u64::from(uses + 7))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use event::{Field, Seq};
    use proptest::prelude::*;
    use query::{Pattern, Regex};

    use super::*;
    use crate::clause::Kept;

    fn field() -> impl Strategy<Value = Kept> {
        prop::sample::select(vec![
            Kept::from(Field::USER_NAME),
            Kept::from(Field::SOURCE_PORT),
            Kept::from(Field::EVENT_ORIGINAL),
            Kept::from(FieldName::new("acme.x")),
            Kept::from(vec![
                FieldName::new("acme.x"),
                FieldName::from(Field::USER_NAME),
            ]),
        ])
    }

    fn condition() -> impl Strategy<Value = Condition> {
        let text = "[abAé8]{1,3}";
        prop_oneof![
            text.prop_map(|text| Condition::Is(Literal::new(&text))),
            prop::sample::select(vec!["80", "80.0", "8", "é"])
                .prop_map(|text| Condition::Is(Literal::new(text))),
            prop::collection::vec(text, 2..4).prop_map(|texts| {
                Condition::OneOf(texts.iter().map(|text| Literal::new(text)).collect())
            }),
            "[*]?[abé8]{1,2}[*?]?[ab]?[*]?"
                .prop_map(|text| Condition::Like(Pattern::from_text(&text))),
            Just(Condition::Exists),
            Just(Condition::Regex(Regex::new("a.").expect("a regex"))),
        ]
    }

    fn clause() -> impl Strategy<Value = Clause> {
        let ask = (field(), condition())
            .prop_map(|(field, condition)| Clause::Ask(Ask::Field(field, condition)));
        ask.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(Clause::and),
                prop::collection::vec(inner.clone(), 1..4).prop_map(Clause::or),
                inner.prop_map(Clause::not),
            ]
        })
    }

    fn gate() -> impl Strategy<Value = Clause> {
        let product =
            |name: &str| Clause::field(Field::NHATKY_PRODUCT, Condition::Is(Literal::new(name)));
        prop::sample::select(vec![
            product("p1"),
            product("p2"),
            Clause::or([product("p1"), product("p2")]),
            product("p2").not(),
        ])
    }

    fn event() -> impl Strategy<Value = Event> {
        let value = "[abAéÉ8]{0,4}";
        let values = (value, value, value, 0u16..100, "p[12]");
        values.prop_map(|(raw, user, own, port, product)| {
            let mut event = Event::new(Seq(1), Bytes::from(raw));
            event.push(Field::USER_NAME, user.as_str());
            event.push_named("acme.x", own.as_str());
            event.push(Field::NHATKY_PRODUCT, product.as_str());
            if port > 50 {
                event.push(Field::SOURCE_PORT, i64::from(port % 2) + 80);
            }
            event
        })
    }

    proptest! {
        #[test]
        fn it_matches_what_queries_match(
            rules in prop::collection::vec((gate(), clause()), 1..8),
            events in prop::collection::vec(event(), 1..4),
        ) {
            let watches: Vec<Watch<'_>> = rules
                .iter()
                .enumerate()
                .map(|(place, (gate, clause))| Watch { place, gate, clause })
                .collect();
            let matcher = Matcher::of(&watches).expect("small");
            let mut buffer = MatchBuffer::default();
            for event in &events {
                let mut found = Vec::new();
                matcher.matching(event, &mut buffer, |place| found.push(place));
                let holds = |watch: &&Watch<'_>| {
                    query::matches(&watch.gate.query(), event)
                        && query::matches(&watch.clause.query(), event)
                };
                let expected: Vec<usize> =
                    watches.iter().filter(holds).map(|watch| watch.place).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
