//! Rule files to compiled rules: which files there are, which document each name means, and in what order they run.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

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
    /// Its title as an identifier, for a rule that has no other.
    title_id: Box<str>,
}

impl Placed {
    /// Its identifier: Sigma's `id`, else its `name`, else its title in small letters, digits and hyphens.
    pub(crate) fn id(&self) -> &str {
        let named = self.document.id.as_deref();
        named
            .or(self.document.name.as_deref())
            .unwrap_or(&self.title_id)
    }

    /// The words by which other rules may mean it.
    fn names(&self) -> Vec<String> {
        let document = &self.document;
        let named = [&document.id, &document.name].into_iter().flatten();
        let names: Vec<String> = named.cloned().collect();
        if names.is_empty() {
            return vec![self.title_id.to_string()];
        }
        names
    }

    /// Whether other rules may mean it by that word.
    pub(crate) fn is_called(&self, word: &str) -> bool {
        let document = &self.document;
        [&document.id, &document.name]
            .into_iter()
            .any(|name| name.as_deref() == Some(word))
            || self.id() == word
    }

    /// Whether the rules that it refers to give detections of their own, too.
    pub(crate) fn generates(&self) -> bool {
        let correlation = self.document.correlation.as_ref();
        self.document.generate || correlation.is_some_and(|correlation| correlation.generate)
    }

    pub(crate) fn problem(&self, message: impl fmt::Display) -> RuleProblem {
        let id = self.id();
        RuleProblem {
            file: self.file.clone(),
            line: self.line,
            message: format!("rule {id}: {message}"),
        }
    }
}

/// The built-in files: name and text.
pub(crate) const BUILTIN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// SigmaHQ publishes some 4,000 files, in folders five deep.
const FILES_MAX: usize = 50_000;
const DEPTH_MAX: usize = 16;

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
    let mut waiting = vec![(folder.clone(), 0)];
    while let Some((path, depth)) = waiting.pop() {
        let read = read_path(&path, &folder, depth, &mut files, &mut waiting);
        if let Err(error) = read {
            if path == folder && error.kind() == std::io::ErrorKind::NotFound {
                return files;
            }
            problems.push(RuleProblem {
                file: path.display().to_string(),
                line: None,
                message: error.to_string(),
            });
        }
        if files.len() > FILES_MAX {
            problems.push(RuleProblem {
                file: folder.display().to_string(),
                line: None,
                message: format!("holds more than {FILES_MAX} files: the rest is left out"),
            });
            break;
        }
    }
    files.sort();
    files
}

/// Reads a rule file, or what lies in a folder; links are not followed, so that there is an end.
fn read_path(
    path: &Path,
    folder: &Path,
    depth: usize,
    files: &mut Vec<(String, String)>,
    waiting: &mut Vec<(PathBuf, usize)>,
) -> std::io::Result<()> {
    let kind = match depth {
        // The folder itself may be a link to where rules are checked out.
        0 => std::fs::metadata(path)?,
        _ => std::fs::symlink_metadata(path)?,
    };
    if kind.is_dir() {
        if depth > DEPTH_MAX {
            return Err(std::io::Error::other(format!(
                "lies deeper than {DEPTH_MAX} folders"
            )));
        }
        for entry in std::fs::read_dir(path)? {
            waiting.push((entry?.path(), depth + 1));
        }
        return Ok(());
    }
    let is_rule = path
        .extension()
        .is_some_and(|extension| extension == "yml" || extension == "yaml");
    let hidden = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    if kind.is_file() && is_rule && !hidden {
        let name = path.strip_prefix(folder).unwrap_or(path);
        files.push((
            name.to_string_lossy().replace('\\', "/"),
            std::fs::read_to_string(path)?,
        ));
    }
    Ok(())
}

/// The title as an identifier.
fn title_id(title: &str) -> Box<str> {
    let folded = query::fold(title);
    let words = folded.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("-").into()
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
            title_id: title_id(&document.title),
            document,
            file: file.to_owned(),
            line: lines.next(),
            origin,
        };
        if placed_here.id().is_empty() {
            problems.push(placed_here.problem("has no `id`, `name` or title: give it one"));
            continue;
        }
        if let Some(key) = unknown_key(&placed_here.document) {
            let line = line_of_key(text, key, placed_here.line);
            let message = format_args!("there is no key `{key}`");
            let problem = placed_here.problem(message);
            problems.push(RuleProblem { line, ..problem });
            continue;
        }
        placed.push(placed_here);
    }
}

/// A key that is not known, where custom attributes are none: in a rule with our block, or in what is no rule at all.
fn unknown_key(document: &Document) -> Option<&str> {
    let is_sigma =
        document.detection.is_some() || document.correlation.is_some() || document.filter.is_some();
    let key = document.others.keys().next()?;
    (!is_sigma || document.nhatky.is_some()).then_some(key)
}

fn line_of_key(text: &str, key: &str, from: Option<usize>) -> Option<usize> {
    let before = from?.checked_sub(1)?;
    let mut lines = text.lines().enumerate().skip(before);
    let found = lines.find(|(_, line)| {
        line.strip_prefix(key)
            .is_some_and(|rest| rest.starts_with(':'))
    });
    found.map(|(number, _)| number + 1).or(from)
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
    let mut by_name: HashMap<String, usize> = HashMap::new();
    for one in placed {
        let names = one.names();
        let namesake = names.iter().find_map(|name| by_name.get(name).copied());
        match namesake.and_then(|place| kept.get_mut(place)) {
            None => {
                by_name.extend(names.into_iter().map(|name| (name, kept.len())));
                kept.push(one);
            }
            Some(other) if other.origin == one.origin => {
                let elsewhere = format!("{}:{}", other.file, other.line.unwrap_or(1));
                problems.push(one.problem(format_args!("its id or name is taken by {elsewhere}")));
            }
            Some(other) if one.origin == RuleOrigin::Site => {
                by_name.extend(names.into_iter().zip(namesake));
                *other = one;
            }
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
    let mut by_name: HashMap<String, usize> = HashMap::new();
    for (place, one) in placed.iter().enumerate() {
        by_name.extend(one.names().into_iter().map(|name| (name, place)));
    }
    let mut ordered_at: HashMap<usize, usize> = HashMap::new();
    let mut order: Vec<usize> = Vec::new();
    let mut resolved: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut waiting: Vec<usize> = (0..placed.len()).collect();
    loop {
        let before = waiting.len();
        waiting.retain(|&place| {
            let names = references.get(place).map(Vec::as_slice).unwrap_or_default();
            let found: Option<Vec<usize>> = names
                .iter()
                .map(|name| ordered_at.get(by_name.get(*name)?).copied())
                .collect();
            let Some(found) = found else { return true };
            resolved.insert(order.len(), found);
            ordered_at.insert(place, order.len());
            order.push(place);
            false
        });
        if waiting.len() == before {
            break;
        }
    }
    for place in waiting {
        if let (Some(one), Some(names)) = (placed.get(place), references.get(place)) {
            let unknown = names.iter().find(|name| !by_name.contains_key(**name));
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
