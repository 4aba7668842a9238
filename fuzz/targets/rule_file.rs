//! Any text of a rule file is loaded or refused with a reason.
#![no_main]

use detect::{Rules, Settings};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let rules = Rules::from_texts(&[("rule.yml", text)], &Settings::default());
    for problem in rules.problems() {
        assert!(!problem.to_string().is_empty());
    }
});
