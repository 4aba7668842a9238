//! Matching of a compiled template.

use std::borrow::Cow;

use super::compile::{Into, Node, Open, Stops};
use super::slot;
use crate::frame::{Frame, Piece};

/// How much of the text a template must cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// All of it, white space at its end aside.
    Whole,
    /// Its beginning.
    Prefix,
}

/// Where the template matched up to; captures are left in the frame.
pub(crate) fn run<'a>(
    nodes: &'a [Node],
    text: &'a str,
    ends: Ends,
    frame: &mut Frame<'a>,
) -> Option<usize> {
    let mut matcher = Matcher {
        text,
        ends,
        frame,
        budget: BUDGET_STEPS + text.len(),
        end: 0,
    };
    (matcher.run(nodes, None, 0) == Outcome::Matched).then_some(matcher.end)
}

/// Steps beyond one for each byte of the text: enough for the longest templates with all their optional parts.
const BUDGET_STEPS: usize = 4096;
/// Searching for what may follow a slot is far cheaper than a step, but not free.
const SEARCHED_BYTES_A_STEP: usize = 64;

struct Matcher<'a, 'f> {
    text: &'a str,
    ends: Ends,
    frame: &'f mut Frame<'a>,
    budget: usize,
    end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Matched,
    /// Not at this place.
    Failed,
    /// Not at this place, nor at any later one.
    Cut,
}

/// What stands after the nodes at hand.
struct Then<'n, 't> {
    nodes: &'n [Node],
    next: Option<&'t Self>,
}

impl<'a> Matcher<'a, '_> {
    fn run(
        &mut self,
        mut nodes: &'a [Node],
        then: Option<&Then<'a, '_>>,
        mut at: usize,
    ) -> Outcome {
        while let Some((node, rest)) = nodes.split_first() {
            let Some(budget) = self.budget.checked_sub(1) else {
                return Outcome::Cut;
            };
            self.budget = budget;
            match node {
                Node::Literal(literal) => {
                    if !self.rest(at).starts_with(&**literal) {
                        return Outcome::Failed;
                    }
                    at += literal.len();
                }
                Node::Fixed { kind, into } => {
                    let found = slot::read(*kind, self.rest(at), self.frame.times);
                    let Some((length, piece)) = found else {
                        return Outcome::Failed;
                    };
                    if let Some(piece) = piece {
                        self.capture(*into, piece);
                    }
                    at += length;
                }
                Node::Open { kind, into, stops } => {
                    return self.open(*kind, *into, stops, rest, then, at);
                }
                Node::Optional(inner) => return self.optional(inner, rest, then, at),
                Node::OneOf(branches) => return self.one_of(branches, rest, then, at),
            }
            nodes = rest;
        }
        match then {
            Some(then) => self.run(then.nodes, then.next, at),
            None => self.finish(at),
        }
    }

    fn finish(&mut self, at: usize) -> Outcome {
        let done = match self.ends {
            Ends::Prefix => true,
            Ends::Whole => self.rest(at).bytes().all(|byte| byte.is_ascii_whitespace()),
        };
        self.end = at;
        if done {
            Outcome::Matched
        } else {
            Outcome::Failed
        }
    }

    fn optional(
        &mut self,
        inner: &'a [Node],
        rest: &'a [Node],
        then: Option<&Then<'a, '_>>,
        at: usize,
    ) -> Outcome {
        let captured = self.frame.captures.len();
        let after = Then {
            nodes: rest,
            next: then,
        };
        if self.run(inner, Some(&after), at) == Outcome::Matched {
            return Outcome::Matched;
        }
        self.frame.captures.truncate(captured);
        self.run(rest, then, at)
    }

    fn one_of(
        &mut self,
        branches: &'a [Box<[Node]>],
        rest: &'a [Node],
        then: Option<&Then<'a, '_>>,
        at: usize,
    ) -> Outcome {
        let captured = self.frame.captures.len();
        let after = Then {
            nodes: rest,
            next: then,
        };
        let mut result = Outcome::Cut;
        for branch in branches {
            match self.run(branch, Some(&after), at) {
                Outcome::Matched => return Outcome::Matched,
                Outcome::Failed => result = Outcome::Failed,
                Outcome::Cut => {}
            }
            self.frame.captures.truncate(captured);
        }
        result
    }

    fn open(
        &mut self,
        kind: Open,
        into: Into,
        stops: &'a Stops,
        rest: &'a [Node],
        then: Option<&Then<'a, '_>>,
        at: usize,
    ) -> Outcome {
        let captured = self.frame.captures.len();
        let window = self.rest(at);
        let mut places = Places::new(kind, window, stops);
        loop {
            let searched_from = places.bound;
            let found = places.next(window, stops);
            let reached = match (found, kind) {
                (Some(_), _) => places.bound,
                (None, Open::Last) => 0,
                (None, _) => places.limit,
            };
            self.spend(searched_from.abs_diff(reached) / SEARCHED_BYTES_A_STEP);
            let Some(length) = found else {
                // White space ended the word: from a later place it may be another one.
                let ended = kind == Open::Word && places.limit < window.len();
                return if ended { Outcome::Failed } else { Outcome::Cut };
            };
            let value = window.get(..length).unwrap_or_default();
            self.capture(into, Piece::Text(Cow::Borrowed(value)));
            match self.run(rest, then, at + length) {
                // A later place gives what follows less to look through; going backwards the next one gives it more.
                Outcome::Cut if kind != Open::Last || self.budget == 0 => return Outcome::Cut,
                Outcome::Matched => return Outcome::Matched,
                Outcome::Failed | Outcome::Cut => self.frame.captures.truncate(captured),
            }
        }
    }

    fn spend(&mut self, steps: usize) {
        self.budget = self.budget.saturating_sub(steps);
    }

    fn capture(&mut self, into: Into, piece: Piece<'a>) {
        match into {
            Into::Nowhere => {}
            Into::Value(symbol) => {
                if !matches!(&piece, Piece::Text(text) if text == "-" || text.is_empty()) {
                    self.frame.captures.push((symbol, piece));
                }
            }
            Into::Endpoint { ip, domain } => match piece {
                Piece::Address(_) => self.frame.captures.push((ip, piece)),
                Piece::Text(ref name) if !matches!(&**name, "-" | "" | "UNKNOWN" | "?") => {
                    self.frame.captures.push((domain, piece));
                }
                _ => {}
            },
        }
    }

    fn rest(&self, at: usize) -> &'a str {
        self.text.get(at..).unwrap_or_default()
    }
}

/// The places where an open slot may end, in the order in which they are tried.
struct Places {
    kind: Open,
    /// The next place lies at or after this, or, searching backwards, before this.
    bound: usize,
    /// The slot cannot reach further.
    limit: usize,
    /// Whether the end of the text is still to be tried.
    end: bool,
}

impl Places {
    fn new(kind: Open, window: &str, stops: &Stops) -> Self {
        let limit = match kind {
            Open::Word => window
                .find(|letter: char| letter.is_ascii_whitespace())
                .unwrap_or(window.len()),
            Open::Text | Open::Maybe | Open::Last => window.len(),
        };
        let bound = match kind {
            Open::Last => window.len() + 1,
            Open::Maybe => 0,
            Open::Text | Open::Word => window.chars().next().map_or(1, char::len_utf8),
        };
        // A word reaches the end of the text only if no white space stands before it.
        let end = stops.end && (kind != Open::Word || limit >= window.trim_ascii_end().len());
        Self {
            kind,
            bound,
            limit,
            end,
        }
    }

    fn next(&mut self, window: &str, stops: &Stops) -> Option<usize> {
        if self.kind == Open::Last {
            return self.next_last(window, stops);
        }
        let reach = (self.limit + stops.longest).min(window.len());
        let searched = window.as_bytes().get(self.bound..reach).unwrap_or_default();
        let nearest = match &*stops.literals {
            [only] => only.find(searched),
            several => several.iter().filter_map(|stop| stop.find(searched)).min(),
        };
        if let Some(place) = nearest.map(|place| place + self.bound)
            && place <= self.limit
        {
            self.bound = place + 1;
            return Some(place);
        }
        self.at_end(window)
    }

    /// The whole rest first, if the text may end there, then place after place from the end.
    fn next_last(&mut self, window: &str, stops: &Stops) -> Option<usize> {
        if let Some(end) = self.at_end(window) {
            return Some(end);
        }
        let starts_before = self.bound;
        let found = stops.backwards.iter().filter_map(|stop| {
            let reach = (starts_before + stop.needle().len()).saturating_sub(1);
            stop.rfind(window.as_bytes().get(..reach.min(window.len()))?)
        });
        let place = found.max().filter(|place| *place > 0)?;
        self.bound = place;
        Some(place)
    }

    fn at_end(&mut self, window: &str) -> Option<usize> {
        std::mem::take(&mut self.end).then(|| window.trim_ascii_end().len())
    }
}
