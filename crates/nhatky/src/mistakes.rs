//! Reads TOML and finds every mistake in it, not only the first, with its line.

use std::ops::Range;

use serde::de::DeserializeOwned;

/// One mistake in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Line, from 1; none where the mistake concerns the whole file.
    pub(crate) line: Option<usize>,
    /// Column in characters, from 1.
    pub(crate) column: usize,
    /// What is wrong and what would be right.
    pub(crate) what: String,
}

impl Mistake {
    /// A mistake that no single line shows.
    pub(crate) fn general(what: String) -> Self {
        Self {
            line: None,
            column: 1,
            what,
        }
    }
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}, column {}: {}", self.column, self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// More mistakes than this are not looked for: the file is something else.
const MISTAKES_MAX: usize = 50;

/// Reads the text, or says all that is wrong with it.
///
/// The reader stops at the first mistake; so the line on which it stopped is blanked out and the rest is read again,
/// until nothing new is found. A mistake that is not on a line of its own ends the search.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Vec<Mistake>> {
    let mut text = text.to_owned();
    let mut mistakes = Vec::new();
    loop {
        let error = match read_once::<T>(&text) {
            Ok(value) if mistakes.is_empty() => return Ok(value),
            Ok(_) => return Err(mistakes),
            Err(error) => error,
        };
        let (span, what) = error;
        let Some(span) = span else {
            mistakes.push(Mistake {
                line: None,
                column: 1,
                what,
            });
            return Err(mistakes);
        };
        mistakes.push(locate(&text, span.start, what));
        let line = line_around(&text, span.start);
        let Some(blanked) = blank(&text, line) else {
            return Err(mistakes);
        };
        if mistakes.len() == MISTAKES_MAX {
            return Err(mistakes);
        }
        text = blanked;
    }
}

type Found = (Option<Range<usize>>, String);

fn read_once<T: DeserializeOwned>(text: &str) -> Result<T, Found> {
    let reader = toml::Deserializer::parse(text).map_err(|error| found(&error, ""))?;
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let path = error.path().to_string();
        found(error.inner(), if path == "." { "" } else { &path })
    })
}

fn found(error: &toml::de::Error, path: &str) -> Found {
    let message = error.message().trim_end();
    let what = if path.is_empty() {
        message.to_owned()
    } else {
        format!("{path}: {message}")
    };
    (error.span(), what)
}

fn locate(text: &str, at: usize, what: String) -> Mistake {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    Mistake {
        line: Some(line),
        column,
        what,
    }
}

fn line_around(text: &str, at: usize) -> Range<usize> {
    let at = at.min(text.len());
    let start = text
        .as_bytes()
        .iter()
        .take(at)
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let length = text
        .as_bytes()
        .iter()
        .skip(start)
        .position(|byte| *byte == b'\n');
    start..length.map_or(text.len(), |length| start + length)
}

/// The text with that line empty; none where the line sets nothing, so that blanking it would not help.
fn blank(text: &str, line: Range<usize>) -> Option<String> {
    let (before, rest) = text.split_at_checked(line.start)?;
    let (blanked, after) = rest.split_at_checked(line.len())?;
    blanked
        .contains('=')
        .then(|| format!("{before}{}{after}", " ".repeat(blanked.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Sample {
        days: u32,
        http: Http,
    }

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Http {
        port: u16,
    }

    #[test]
    fn every_mistake_is_named_with_its_line() {
        let text = "days = \"x\"\n[http]\nport = 70000\nprot = 1\n";
        let mistakes = read::<Sample>(text).unwrap_err();
        let lines: Vec<_> = mistakes
            .iter()
            .map(|mistake| mistake.line.unwrap())
            .collect();
        assert_eq!(lines, [1, 3, 4], "{mistakes:?}");
        assert!(mistakes[1].what.starts_with("http.port"), "{mistakes:?}");
    }

    #[test]
    fn a_sound_text_is_read_and_a_broken_one_ends_the_search() {
        assert_eq!(read::<Sample>("days = 8").unwrap().days, 8);
        assert_eq!(read::<Sample>("[http\nport = 1").unwrap_err().len(), 1);
    }
}
