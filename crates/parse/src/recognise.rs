//! Which definitions a line may belong to: one automaton over the anchors of all of them, tables for the rest.

use std::collections::{BTreeMap, HashMap};

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, Anchored, Input, MatchKind, StartKind};
use memchr::memmem;

use crate::definition::source::RecogniseSource;

/// A definition, as its place in the list of all.
pub(crate) type Number = u16;

/// Every definition's recogniser, joined.
#[derive(Debug)]
pub(crate) struct Recogniser {
    apps: HashMap<Box<str>, Box<[Number]>, ahash::RandomState>,
    listeners: HashMap<Box<str>, Box<[Number]>, ahash::RandomState>,
    start: Anchors,
    anywhere: Anchors,
    json: JsonKeys,
    always: Box<[Number]>,
    /// What else must stand in the line, by definition.
    require: Box<[Box<[memmem::Finder<'static>]>]>,
    priority: Box<[i32]>,
}

#[derive(Debug)]
struct Anchors {
    automaton: AhoCorasick,
    of: Box<[Box<[Number]>]>,
}

/// Which keys an object of each definition has.
#[derive(Debug)]
struct JsonKeys {
    /// Every key that any of them names, in its quotes.
    automaton: AhoCorasick,
    /// For each list of keys the definition, and the keys by their numbers.
    wanted: Box<[(Number, Box<[usize]>)]>,
}

/// The candidates of a line, best first; no definition is in it twice.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    found: Vec<(i32, usize, Number)>,
}

/// Why an automaton cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("the anchors of all definitions together are too many: {0}")]
pub(crate) struct AnchorError(#[from] aho_corasick::BuildError);

impl Recogniser {
    pub(crate) fn compile(sources: &[&RecogniseSource]) -> Result<Self, AnchorError> {
        let each = || (0u16..).zip(sources.iter().copied());
        Ok(Self {
            apps: table(lists(
                sources,
                |source| &source.apps,
                str::to_ascii_lowercase,
            )),
            listeners: table(lists(sources, |source| &source.listeners, str::to_owned)),
            start: Anchors::compile(
                lists(sources, |source| &source.start, str::to_owned),
                StartKind::Anchored,
            )?,
            anywhere: Anchors::compile(
                lists(sources, |source| &source.anywhere, str::to_owned),
                StartKind::Unanchored,
            )?,
            json: JsonKeys::compile(sources)?,
            always: each()
                .filter(|(_, source)| source.always)
                .map(|(number, _)| number)
                .collect(),
            require: sources
                .iter()
                .map(|source| {
                    let finder = |text: &String| memmem::Finder::new(text).into_owned();
                    source.require.iter().map(finder).collect()
                })
                .collect(),
            priority: sources.iter().map(|source| source.priority).collect(),
        })
    }

    /// The definitions whose tag or beginning it is, best first.
    pub(crate) fn near(&self, app: Option<&str>, message: &str) -> Candidates {
        let mut candidates = Candidates::default();
        let mut add = |number, length| {
            candidates.add(self.priority_of(number), length, number);
        };
        self.start.at_start(message, &mut add);
        // A line without a header may begin with its own date.
        if message.starts_with(|letter: char| letter.is_ascii_digit()) {
            let date = |letter: char| letter.is_ascii_digit() || "/-:., TZ+".contains(letter);
            self.start
                .at_start(message.trim_start_matches(date), &mut add);
        }
        if let Some(app) = app {
            let found = self.apps.get(app).or_else(|| {
                let upper = app.bytes().any(|byte| byte.is_ascii_uppercase());
                upper.then(|| self.apps.get(app.to_ascii_lowercase().as_str()))?
            });
            for number in found.into_iter().flatten() {
                candidates.add(self.priority_of(*number), 0, *number);
            }
        }
        candidates.sort();
        candidates
    }

    /// The definitions whose anchors or JSON keys stand somewhere in the line, best first.
    pub(crate) fn far(&self, line: &str, message: &str) -> Candidates {
        let mut candidates = Candidates::default();
        self.anywhere.everywhere(line, |number, length| {
            candidates.add(self.priority_of(number), length, number);
        });
        if message.starts_with('{') {
            self.json.of(message, |number, keys| {
                candidates.add(self.priority_of(number), keys, number);
            });
        }
        candidates.sort();
        candidates
    }

    /// The definitions of that listener.
    pub(crate) fn of_listener(&self, listener: &str) -> &[Number] {
        self.listeners.get(listener).map_or(&[], |numbers| numbers)
    }

    /// The definitions that are asked when no other wanted the line, best first.
    pub(crate) fn always(&self) -> Candidates {
        let mut candidates = Candidates::default();
        for number in &self.always {
            candidates.add(self.priority_of(*number), 0, *number);
        }
        candidates.sort();
        candidates
    }

    /// Whether all stands in the line that this definition requires.
    pub(crate) fn requirements_met(&self, number: Number, line: &str) -> bool {
        let finders = self.require.get(usize::from(number));
        finders.is_none_or(|finders| {
            finders
                .iter()
                .all(|finder| finder.find(line.as_bytes()).is_some())
        })
    }

    fn priority_of(&self, number: Number) -> i32 {
        self.priority.get(usize::from(number)).copied().unwrap_or(0)
    }
}

impl JsonKeys {
    fn compile(sources: &[&RecogniseSource]) -> Result<Self, AnchorError> {
        let mut texts: Vec<String> = Vec::new();
        let mut number_of = |key: &String| {
            let last = key.rsplit('.').next().unwrap_or(key);
            let text = format!("\"{last}\"");
            let known = texts.iter().position(|known| *known == text);
            known.unwrap_or_else(|| {
                texts.push(text);
                texts.len() - 1
            })
        };
        let wanted = (0u16..)
            .zip(sources)
            .flat_map(|(number, source)| source.json_keys.iter().map(move |keys| (number, keys)))
            .map(|(number, keys)| (number, keys.iter().map(&mut number_of).collect()))
            .collect();
        let automaton = AhoCorasickBuilder::new()
            .match_kind(MatchKind::Standard)
            .start_kind(StartKind::Unanchored)
            .kind(Some(aho_corasick::AhoCorasickKind::DFA))
            .build(&texts)?;
        Ok(Self { automaton, wanted })
    }

    /// Every definition of which all keys stand in the text, with how many those are.
    fn of(&self, text: &str, mut each: impl FnMut(Number, usize)) {
        let mut seen = vec![false; self.automaton.patterns_len()];
        // No key is a part of another: each is whole in its quotes.
        for found in self.automaton.find_iter(text) {
            if let Some(seen) = seen.get_mut(found.pattern().as_usize()) {
                *seen = true;
            }
        }
        let is_seen = |key: &usize| seen.get(*key).copied().unwrap_or(false);
        for (number, keys) in &self.wanted {
            if keys.iter().all(is_seen) {
                each(*number, keys.len());
            }
        }
    }
}

impl Anchors {
    fn compile(
        by_text: BTreeMap<String, Vec<Number>>,
        start: StartKind,
    ) -> Result<Self, AnchorError> {
        let automaton = AhoCorasickBuilder::new()
            .match_kind(MatchKind::Standard)
            .start_kind(start)
            .kind(Some(aho_corasick::AhoCorasickKind::DFA))
            .build(by_text.keys())?;
        Ok(Self {
            automaton,
            of: by_text.into_values().map(Into::into).collect(),
        })
    }

    /// Every anchor with which the text starts.
    fn at_start(&self, text: &str, mut each: impl FnMut(Number, usize)) {
        let input = Input::new(text).anchored(Anchored::Yes);
        let mut state = aho_corasick::automaton::OverlappingState::start();
        loop {
            self.automaton.find_overlapping(input.clone(), &mut state);
            let Some(found) = state.get_match() else {
                return;
            };
            for number in self
                .of
                .get(found.pattern().as_usize())
                .into_iter()
                .flatten()
            {
                each(*number, found.len());
            }
        }
    }

    fn everywhere(&self, text: &str, mut each: impl FnMut(Number, usize)) {
        for found in self.automaton.find_overlapping_iter(text).take(ANCHORS_MAX) {
            for number in self
                .of
                .get(found.pattern().as_usize())
                .into_iter()
                .flatten()
            {
                each(*number, found.len());
            }
        }
    }
}

/// Anchors looked at in one line; a line with more is trying something.
const ANCHORS_MAX: usize = 64;

impl Candidates {
    fn add(&mut self, priority: i32, length: usize, number: Number) {
        if self.found.iter().all(|(.., known)| *known != number) {
            self.found.push((priority, length, number));
        }
    }

    fn sort(&mut self) {
        if self.found.len() > 1 {
            self.found.sort_by_key(|(priority, length, number)| {
                (std::cmp::Reverse((*priority, *length)), *number)
            });
        }
    }

    /// The candidates of both, best first.
    pub(crate) fn and(mut self, other: Self) -> Self {
        for (priority, length, number) in other.found {
            self.add(priority, length, number);
        }
        self.sort();
        self
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Number> {
        self.found.iter().map(|(.., number)| *number)
    }
}

/// Texts of one kind, with the definitions that name each.
fn lists(
    sources: &[&RecogniseSource],
    texts: fn(&RecogniseSource) -> &[String],
    key: fn(&str) -> String,
) -> BTreeMap<String, Vec<Number>> {
    let mut lists: BTreeMap<String, Vec<Number>> = BTreeMap::new();
    for (number, source) in (0u16..).zip(sources) {
        for text in texts(source) {
            lists.entry(key(text)).or_default().push(number);
        }
    }
    lists
}

fn table(
    lists: BTreeMap<String, Vec<Number>>,
) -> HashMap<Box<str>, Box<[Number]>, ahash::RandomState> {
    let row = |(text, numbers): (String, Vec<Number>)| (text.into(), numbers.into());
    lists.into_iter().map(row).collect()
}
