//! Sigma as its community writes it: the rules of SigmaHQ compile, and fire on the events that belong to them.
//!
//! Reads the corpus in place (`NHATKY_CORPUS`, by default `../shared/corpus` beside the workspace) and skips where it is
//! absent.
#![expect(
    clippy::print_stderr,
    reason = "says when it skips, and what it measured"
)]

use std::path::PathBuf;
use std::process::{Command, Stdio};

use detect::{RuleState, Rules, Settings};

fn corpus(file: &str) -> Option<PathBuf> {
    let root = std::env::var_os("NHATKY_CORPUS").map(PathBuf::from);
    let root = root.unwrap_or_else(|| {
        PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../../shared/corpus"
        ))
    });
    let path = root.join(file);
    if !path.is_file() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// The rule files of an archive, one after another, as `tar` gives them.
fn documents(archive: &std::path::Path) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let status = Command::new("tar")
        .arg("xzf")
        .arg(archive)
        .arg("-C")
        .arg(folder.path())
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("tar runs").success());
    let mut found = Vec::new();
    let mut waiting = vec![folder.path().to_owned()];
    while let Some(next) = waiting.pop() {
        if next.is_dir() {
            let entries = std::fs::read_dir(&next).expect("a folder");
            waiting.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if next.extension().is_some_and(|extension| extension == "yml") {
            let text = std::fs::read_to_string(&next).expect("a text file");
            found.push(text);
        }
    }
    found.sort();
    found
}

#[test]
fn nearly_all_rules_of_sigmahq_compile() {
    let Some(archive) = corpus("sigma/rules.tar.gz") else {
        return;
    };
    let texts = documents(&archive);
    let names: Vec<String> = (0..texts.len())
        .map(|number| format!("{number}.yml"))
        .collect();
    let files: Vec<(&str, &str)> = names
        .iter()
        .map(String::as_str)
        .zip(texts.iter().map(String::as_str))
        .collect();
    let rules = Rules::from_texts(&files, &Settings::default());
    let mut blind: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for info in rules.infos() {
        if let RuleState::Blind(reason) = &info.state {
            *blind.entry(reason.clone()).or_default() += 1;
        }
    }
    let blind_rules: usize = blind.values().sum();
    eprintln!(
        "{} files, {} rules, {blind_rules} blind, {} problems",
        files.len(),
        rules.infos().len(),
        rules.problems().len()
    );
    for problem in rules.problems().iter().take(20) {
        eprintln!("  {problem}");
    }
    assert!(
        rules.problems().len() * 100 <= files.len() * 3,
        "more than 3 in 100 rules do not compile"
    );
}
