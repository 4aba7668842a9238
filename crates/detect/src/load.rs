//! Rule files to compiled rules: which files there are, which document each name means, and in what order they run.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::rule::RuleOrigin;
use crate::rule_file::{self, Document};

/// A mistake in a rule file: the file's other rules run all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleProblem {
    /// The file.
    pub file: String,
    /// The line, from 1, where that can be told.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for RuleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            message,
        } = self;
        match line {
            Some(line) => write!(f, "{file}:{line}: {message}"),
            None => write!(f, "{file}: {message}"),
        }
    }
}

/// A document and where it stands.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) document: Document,
    pub(crate) file: String,
    pub(crate) line: Option<usize>,
    pub(crate) origin: RuleOrigin,
}

impl Placed {
    /// Its identifier: Sigma's `id`, else its `name`.
    pub(crate) fn id(&self) -> Option<&str> {
        self.document
            .id
            .as_deref()
            .or(self.document.name.as_deref())
    }

    /// Whether other rules may mean it by that word.
    fn is_called(&self, word: &str) -> bool {
        [&self.document.id, &self.document.name]
            .into_iter()
            .any(|name| name.as_deref() == Some(word))
    }

    /// Whether the rules that it refers to give detections of their own, too.
    pub(crate) fn generates(&self) -> bool {
        self.document
            .correlation
            .as_ref()
            .is_some_and(|correlation| correlation.generate)
    }

    pub(crate) fn problem(&self, message: impl fmt::Display) -> RuleProblem {
        let id = self.id().unwrap_or(&self.document.title);
        RuleProblem {
            file: self.file.clone(),
            line: self.line,
            message: format!("rule {id}: {message}"),
        }
    }
}

/// The built-in files: name and text.
pub(crate) const BUILTIN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// The documents of the built-in files, a site's file of the same name in place of ours, and its further ones.
pub(crate) fn documents(content: Option<&Path>, problems: &mut Vec<RuleProblem>) -> Vec<Placed> {
    let mut files: BTreeMap<String, (String, RuleOrigin)> = BUILTIN
        .iter()
        .map(|(name, text)| {
            (
                (*name).to_owned(),
                ((*text).to_owned(), RuleOrigin::Builtin),
            )
        })
        .collect();
    for (name, text) in site_files(content, problems) {
        files.insert(name, (text, RuleOrigin::Site));
    }
    let mut placed = Vec::new();
    for (file, (text, origin)) in files {
        read_file(&file, &text, origin, &mut placed, problems);
    }
    without_namesakes(placed, problems)
}

/// The documents of these texts: file name and YAML.
pub(crate) fn of_texts(texts: &[(&str, &str)], problems: &mut Vec<RuleProblem>) -> Vec<Placed> {
    let mut placed = Vec::new();
    for (file, text) in texts {
        read_file(file, text, RuleOrigin::Site, &mut placed, problems);
    }
    without_namesakes(placed, problems)
}

fn site_files(content: Option<&Path>, problems: &mut Vec<RuleProblem>) -> Vec<(String, String)> {
    let Some(folder) = content.map(|content| content.join("rules")) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    let mut complain = |file: &Path, error: std::io::Error| {
        problems.push(RuleProblem {
            file: file.display().to_string(),
            line: None,
            message: error.to_string(),
        });
    };
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return files,
        Err(error) => {
            complain(&folder, error);
            return files;
        }
    };
    for entry in entries {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                complain(&folder, error);
                continue;
            }
        };
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        if !name.ends_with(".yml") && !name.ends_with(".yaml") {
            continue;
        }
        match std::fs::read_to_string(&path) {
            Ok(text) => files.push((name, text)),
            Err(error) => complain(&path, error),
        }
    }
    files.sort();
    files
}

fn read_file(
    file: &str,
    text: &str,
    origin: RuleOrigin,
    placed: &mut Vec<Placed>,
    problems: &mut Vec<RuleProblem>,
) {
    let documents = match rule_file::documents(text) {
        Ok(documents) => documents,
        Err(error) => {
            problems.push(RuleProblem {
                file: file.to_owned(),
                line: error.line,
                message: error.message,
            });
            return;
        }
    };
    let mut lines = first_lines(text);
    for document in documents {
        let placed_here = Placed {
            document,
            file: file.to_owned(),
            line: lines.next(),
            origin,
        };
        if placed_here.id().is_none() {
            problems.push(placed_here.problem("has neither `id` nor `name`: give it one"));
            continue;
        }
        placed.push(placed_here);
    }
}

/// The line at which each document's title stands.
fn first_lines(text: &str) -> impl Iterator<Item = usize> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with("title:"))
        .map(|(number, _)| number + 1)
}

/// A site's rule stands for the built-in one of the same name; two of one origin are a mistake.
fn without_namesakes(placed: Vec<Placed>, problems: &mut Vec<RuleProblem>) -> Vec<Placed> {
    let mut kept: Vec<Placed> = Vec::new();
    for one in placed {
        let names = [one.document.id.clone(), one.document.name.clone()];
        let namesake = kept
            .iter()
            .position(|other| names.iter().flatten().any(|name| other.is_called(name)));
        match namesake.and_then(|place| kept.get_mut(place)) {
            None => kept.push(one),
            Some(other) if other.origin == one.origin => {
                let elsewhere = format!("{}:{}", other.file, other.line.unwrap_or(1));
                problems.push(one.problem(format_args!("its id or name is taken by {elsewhere}")));
            }
            Some(other) if one.origin == RuleOrigin::Site => *other = one,
            Some(_) => {}
        }
    }
    kept
}

/// The documents so that each comes after those it refers to, with the places of these. Those that refer to nothing
/// there is, or in a circle, are left out.
pub(crate) fn in_order(
    placed: Vec<Placed>,
    problems: &mut Vec<RuleProblem>,
) -> Vec<(Placed, Vec<usize>)> {
    let references: Vec<Vec<&str>> = placed.iter().map(references).collect();
    let mut order: Vec<usize> = Vec::new();
    let mut resolved: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut waiting: Vec<usize> = (0..placed.len()).collect();
    loop {
        let before = waiting.len();
        waiting.retain(|&place| {
            let names = references.get(place).map(Vec::as_slice).unwrap_or_default();
            let found: Option<Vec<usize>> = names
                .iter()
                .map(|name| {
                    order
                        .iter()
                        .position(|at| placed.get(*at).is_some_and(|one| one.is_called(name)))
                })
                .collect();
            let Some(found) = found else { return true };
            resolved.insert(order.len(), found);
            order.push(place);
            false
        });
        if waiting.len() == before {
            break;
        }
    }
    for place in waiting {
        if let (Some(one), Some(names)) = (placed.get(place), references.get(place)) {
            let unknown = names
                .iter()
                .find(|name| !placed.iter().any(|other| other.is_called(name)));
            problems.push(match unknown {
                Some(name) => one.problem(format_args!("refers to `{name}`, which there is not")),
                None => one.problem("refers to itself, or to a rule that cannot be read"),
            });
        }
    }
    let mut by_place: BTreeMap<usize, Placed> = placed.into_iter().enumerate().collect();
    let ordered = order.into_iter().enumerate().filter_map(|(at, place)| {
        let one = by_place.remove(&place)?;
        Some((one, resolved.remove(&at).unwrap_or_default()))
    });
    ordered.collect()
}

/// The rules that a document names: what it correlates, then what teaches its circumstances.
fn references(placed: &Placed) -> Vec<&str> {
    let correlated = placed
        .document
        .correlation
        .iter()
        .flat_map(|correlation| &correlation.rules.0);
    let when = placed
        .document
        .nhatky
        .as_ref()
        .and_then(|ours| ours.when.as_ref());
    let circumstances = when.map(rule_file::When::circumstances).unwrap_or_default();
    let teachers = circumstances
        .iter()
        .flat_map(|circumstance| &circumstance.taught_by.0);
    correlated.chain(teachers).map(String::as_str).collect()
}
