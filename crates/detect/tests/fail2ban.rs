//! fail2ban's test lines: what looks like a failed log-in and states none does not count as one.

mod corpus;

use std::sync::Arc;

use corpus::{Watch, text};
use detect::{Rules, Settings};
use parse::Parsers;
use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    raw: String,
    product: String,
    failure: bool,
}

/// Lines that fail2ban leaves out although they state a failed attempt: a part of each, and why.
const STATE_A_FAILURE: &[(&str, &str)] = &[(
    "pop(pam_unix)[4920]: authentication failure;",
    "a wrong password at POP3; fail2ban's filter asks for a terminal or a service's name",
)];

#[test]
fn a_look_alike_is_no_failed_log_in() {
    let Some(text) = text("auth/fail2ban.jsonl") else {
        return;
    };
    let rules = Arc::new(Rules::load(None, &Settings::default()));
    let parsers = Parsers::builtin();
    let mut counted = Vec::new();
    for line in text.lines() {
        let line: Line = serde_json::from_str(line).expect("a line");
        let stated = |(part, _): &(&str, &str)| line.raw.contains(part);
        if line.failure || STATE_A_FAILURE.iter().any(stated) {
            continue;
        }
        let mut watch = Watch::new(&parsers, &rules);
        watch.receive(&line.raw);
        if watch.matched("login-failed") + watch.matched("login-unknown-account") > 0 {
            counted.push(format!("{}: {}", line.product, line.raw));
        }
    }
    assert!(counted.is_empty(), "{}", counted.join("\n"));
}
