//! Holds the shape of the house: which crate may use which, no async runtime in the core, no banned crate anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What each crate may use of ours, in normal and build dependencies (ARCHITECTURE.md, "Crates").
const MAY_USE: &[(&str, &[&str])] = &[
    ("event", &[]),
    ("disk", &["event"]),
    ("journal", &["event", "disk"]),
    ("parse", &["event"]),
    ("query", &["event"]),
    ("registry", &["event"]),
    ("index", &["event", "disk", "query"]),
    ("detect", &["event", "disk", "query"]),
    ("alert", &["event", "registry"]),
    ("ingest", &["event", "disk", "journal"]),
    ("simulate", &["event"]),
    (
        "server",
        &[
            "alert", "detect", "disk", "event", "index", "journal", "parse", "query", "registry",
        ],
    ),
];

/// Crates that may depend on every other of ours.
const MAY_USE_ALL: &[&str] = &["nhatky", "benches"];

/// The core: plain functions and threads.
const WITHOUT_RUNTIME: &[&str] = &[
    "event", "disk", "journal", "parse", "query", "index", "detect",
];

const RUNTIMES: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "async-executor",
    "futures-executor",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the workspace")
}

/// `cargo metadata` of the workspace with everything that it resolves to on Linux.
fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata gives JSON")
}

/// Each package's normal and build dependencies, by package id.
fn edges(metadata: &Value) -> BTreeMap<&str, Vec<&str>> {
    let nodes = metadata["resolve"]["nodes"]
        .as_array()
        .expect("a resolved graph");
    let ships = |dependency: &Value| {
        let kinds = dependency["dep_kinds"].as_array().expect("kinds");
        kinds.iter().any(|kind| kind["kind"] != "dev")
    };
    nodes
        .iter()
        .map(|node| {
            let used = node["deps"].as_array().expect("dependencies");
            let used = used.iter().filter(|used| ships(used));
            let used = used
                .map(|used| used["pkg"].as_str().expect("an id"))
                .collect();
            (node["id"].as_str().expect("an id"), used)
        })
        .collect()
}

fn names(metadata: &Value) -> BTreeMap<&str, &str> {
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            (
                package["id"].as_str().expect("an id"),
                package["name"].as_str().expect("a name"),
            )
        })
        .collect()
}

/// The members of the workspace: (name, id).
fn members(metadata: &Value) -> Vec<(&str, &str)> {
    let names = names(metadata);
    let members = metadata["workspace_members"].as_array().expect("members");
    members
        .iter()
        .map(|id| id.as_str().expect("an id"))
        .map(|id| (names[id], id))
        .collect()
}

#[test]
fn crates_use_only_what_the_table_allows() {
    let metadata = metadata();
    let (edges, names, members) = (edges(&metadata), names(&metadata), members(&metadata));
    let ours: BTreeSet<&str> = members.iter().map(|(name, _)| *name).collect();
    let table: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    for (name, id) in &members {
        if MAY_USE_ALL.contains(name) {
            continue;
        }
        let allowed = table
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not in the table"));
        for used in edges[id]
            .iter()
            .map(|id| names[id])
            .filter(|used| ours.contains(used))
        {
            assert!(allowed.contains(&used), "{name} may not use {used}");
        }
    }
}

#[test]
fn the_core_depends_on_no_async_runtime() {
    let metadata = metadata();
    let (edges, names) = (edges(&metadata), names(&metadata));
    for (name, id) in members(&metadata) {
        if !WITHOUT_RUNTIME.contains(&name) {
            continue;
        }
        let (mut seen, mut next) = (BTreeSet::new(), vec![id]);
        while let Some(id) = next.pop() {
            if seen.insert(id) {
                assert!(
                    !RUNTIMES.contains(&names[id]),
                    "{name} depends on {}",
                    names[id]
                );
                next.extend(&edges[id]);
            }
        }
    }
}

#[test]
fn no_banned_crate_is_in_the_graph() {
    let deny = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    let deny: toml::Table = deny.parse().expect("deny.toml is TOML");
    let banned: Vec<_> = deny["bans"]["deny"]
        .as_array()
        .expect("a list of bans")
        .iter()
        .map(|ban| ban["crate"].as_str().expect("a name").to_owned())
        .collect();
    assert!(banned.contains(&"openssl-sys".to_owned()));
    let metadata = metadata();
    let present: BTreeSet<_> = names(&metadata).into_values().collect();
    for ban in banned {
        assert!(
            !present.contains(ban.as_str()),
            "{ban} is banned by deny.toml"
        );
    }
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().expect("packages") {
        if !package["source"].is_null() {
            continue;
        }
        let manifest = package["manifest_path"].as_str().expect("a path");
        let text = std::fs::read_to_string(manifest).expect("a manifest");
        let table: toml::Table = text.parse().expect("a manifest is TOML");
        assert_eq!(
            table["lints"]["workspace"].as_bool(),
            Some(true),
            "{manifest}"
        );
    }
}
