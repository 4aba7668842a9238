//! The examples of `docs/en/sigma.md` and `docs/vi/sigma.md` compile and are right about their samples.

use std::sync::Arc;

use detect::{Rules, Settings, test_rules};
use event::Event;
use parse::{Depth, ParseSettings, Parsers};

/// The blocks of YAML of a page.
fn blocks(page: &str) -> Vec<&str> {
    let parts = page.split("```yaml\n").skip(1);
    parts
        .filter_map(|part| part.split_once("```").map(|(block, _)| block))
        .collect()
}

#[test]
fn the_pages_examples_are_right() {
    let pages = [
        include_str!("../../../docs/en/sigma.md"),
        include_str!("../../../docs/vi/sigma.md"),
    ];
    let parsers = Parsers::builtin();
    let settings = ParseSettings::default();
    for page in pages {
        let blocks = blocks(page);
        assert_eq!(blocks.len(), 3);
        let names: Vec<String> = (0..blocks.len()).map(|at| format!("{at}.yml")).collect();
        let texts: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(blocks).collect();
        let rules = Arc::new(Rules::from_texts(&texts, &Settings::default()));
        assert_eq!(rules.problems(), []);
        let mut parse = |record: &event::Record| {
            let mut event = Event::default();
            parsers.parse_into(record, &settings, Depth::Full, &mut event);
            event
        };
        let report = test_rules(&rules, &mut parse);
        assert_eq!(report.trials.len(), 4);
        for trial in &report.trials {
            assert!(trial.passed(), "{trial:?}");
        }
    }
}
