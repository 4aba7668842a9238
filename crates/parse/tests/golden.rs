//! Every parser gives, for each of its own samples, exactly the event beside it.
//!
//! `NHATKY_BLESS=1 cargo nextest run -p parse golden` writes the expected events anew, `NHATKY_BLESS=nginx.nginx` those
//! of one parser: read the difference.

use std::path::{Path, PathBuf};

use parse::Parsers;

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parsers");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .expect("parsers/ is part of the repository")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.join("parser.toml").is_file())
        .collect();
    folders.sort();
    folders
}

#[test]
fn golden_events_of_every_sample() {
    let parsers = Parsers::builtin();
    let mut problems = Vec::new();
    for folder in folders() {
        let name = folder
            .file_name()
            .expect("a folder has a name")
            .to_string_lossy()
            .into_owned();
        let bless = std::env::var("NHATKY_BLESS").unwrap_or_default();
        if bless == "1" || bless == name {
            parsers.bless(&folder).expect("the folder is writable");
        }
        let report = parsers.test(&folder).expect("the samples are readable");
        if report.samples == 0 {
            problems.push(format!("{name}: no samples"));
        }
        problems.extend(
            report
                .differences
                .iter()
                .map(|what| format!("{name}: {what}")),
        );
        if !report.uncovered.is_empty() {
            println!("{name}: no sample shows {}", report.uncovered.join(", "));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
