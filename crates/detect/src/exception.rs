//! Events that rules are not to see, compiled.

use event::{Event, Micros};
use query::{Context, Expr, Severity};

use crate::load::RuleProblem;
use crate::rule::Rule;
use crate::settings::RuleException;

/// An exception as the detector applies it.
#[derive(Debug)]
pub(crate) struct Exception {
    /// The rule's place; every rule where there is none.
    place: Option<usize>,
    pub(crate) expr: Expr,
    expires: Micros,
}

impl Exception {
    /// Whether the rule in that place is not to see the event.
    pub(crate) fn is_for(&self, place: usize, event: &Event, now: Micros) -> bool {
        self.place.is_none_or(|own| own == place)
            && now < self.expires
            && query::matches(&self.expr, event)
    }
}

/// The exceptions that can be used; what is wrong with the others is told.
pub(crate) fn compile(
    exceptions: &[RuleException],
    rules: &[Rule],
    problems: &mut Vec<RuleProblem>,
) -> Vec<Exception> {
    let mut compiled = Vec::new();
    for exception in exceptions {
        match of(exception, rules) {
            Ok(exception) => compiled.push(exception),
            Err(message) => problems.push(RuleProblem {
                file: "detect.exceptions".to_owned(),
                line: None,
                message: format!("«{}»: {message}", exception.query),
            }),
        }
    }
    compiled
}

fn of(exception: &RuleException, rules: &[Rule]) -> Result<Exception, String> {
    let place = match &exception.rule {
        None => None,
        Some(id) => {
            let place = rules.iter().position(|rule| *rule.info.id == **id);
            Some(
                place
                    .ok_or_else(|| format!("no rule has the id `{id}`: see `nhatky rules list`"))?,
            )
        }
    };
    // Relative dates would mean another time with each reading.
    let parsed = query::parse(&exception.query, &Context::at(Micros(0)));
    let mistakes = parsed.diagnostics.iter();
    let mut mistakes = mistakes.filter(|found| found.severity == Severity::Error);
    match mistakes.next() {
        Some(mistake) => Err(mistake.message.clone()),
        None => Ok(Exception {
            place,
            expr: parsed.expr,
            expires: exception.expires,
        }),
    }
}
