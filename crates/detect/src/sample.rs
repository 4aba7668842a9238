//! Samples of a rule: raw lines that must, and must not, fire it.

use std::net::IpAddr;

use serde::Deserialize;

use crate::Span;

/// A scene of raw lines and waiting, and how many detections of the rule it must give.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// What the scene shows, in a few words.
    pub what: String,
    /// How many detections it must give; 0 for a scene that must stay quiet.
    pub fires: usize,
    /// When it begins, RFC 3339; by default Wednesday 2026-10-14, 09:00 in Việt Nam.
    #[serde(default)]
    pub at: Option<event::Micros>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One step of a scene: a line, or waiting.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    /// A raw line as it arrives. `{n}` is the number of the repetition from 1, `{n+100}` that plus 100.
    pub line: Option<String>,
    /// How many times it arrives; once by default.
    pub repeat: Option<u32>,
    /// The time between repetitions; 1 s by default.
    pub every: Option<Span>,
    /// Time that passes, with the product's own heartbeats every 10 s.
    pub wait: Option<Span>,
    /// The sender's address; 192.0.2.10 by default.
    pub peer: Option<IpAddr>,
    /// The listener; `nhatky` for the product's own records.
    pub listener: Option<String>,
}

impl Step {
    /// The lines that arrive, in order, their numbers filled in; none where the step only waits.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let line = self.line.as_deref();
        let times = line.map_or(0, |_| self.repeat.unwrap_or(1));
        (1..=times).map(move |number| numbered(line.unwrap_or_default(), number))
    }
}

/// The line with `{n}` as the number and `{n+K}` as the number plus K.
fn numbered(line: &str, number: u32) -> String {
    let mut filled = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("{n") {
        filled.push_str(before);
        let parsed = after.split_once('}').and_then(|(plus, after)| {
            let plus = match plus {
                "" => 0,
                plus => plus.strip_prefix('+')?.parse::<u32>().ok()?,
            };
            Some((number.saturating_add(plus), after))
        });
        match parsed {
            Some((number, after)) => {
                filled.push_str(&number.to_string());
                rest = after;
            }
            None => {
                filled.push_str("{n");
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_goes_where_it_is_asked_for() {
        let check = |line, expected: &str| assert_eq!(numbered(line, 7), expected);
        check("user{n} from 192.0.2.{n+10}", "user7 from 192.0.2.17");
        check("{name} {n", "{name} {n");
        check(r#"{"nhatky":"loss"}"#, r#"{"nhatky":"loss"}"#);
    }
}
