//! What the program says to people, in Vietnamese and English.

use std::collections::HashMap;
use std::fmt::Display;

/// The language of texts for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    /// Tiếng Việt.
    Vi,
    /// English.
    En,
}

impl Language {
    /// Its code, as in rules' texts.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Vi => "vi",
            Self::En => "en",
        }
    }

    /// The language of the environment: Vietnamese where `LC_ALL`, `LC_MESSAGES` or `LANG` says so, else English.
    pub(crate) fn of_environment() -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set);
        if locale.is_some_and(|locale| locale.starts_with("vi")) {
            Self::Vi
        } else {
            Self::En
        }
    }
}

/// The catalogue of one language.
#[derive(Debug)]
pub(crate) struct Texts {
    language: Language,
    texts: HashMap<String, String>,
}

const VIETNAMESE: &str = include_str!("../texts/vi.toml");
const ENGLISH: &str = include_str!("../texts/en.toml");

impl Texts {
    /// The catalogue of that language.
    pub(crate) fn new(language: Language) -> Self {
        let source = match language {
            Language::Vi => VIETNAMESE,
            Language::En => ENGLISH,
        };
        Self {
            language,
            texts: catalogue(source),
        }
    }

    /// Which language it is.
    pub(crate) fn language(&self) -> Language {
        self.language
    }

    /// A word of a closed vocabulary in this language; as it is where the catalogue has none for it.
    pub(crate) fn word(&self, section: &str, word: &str) -> String {
        self.texts
            .get(&format!("{section}.{word}"))
            .map_or_else(|| word.to_owned(), String::clone)
    }

    /// The text with that key, each `{name}` in it replaced by its value.
    pub(crate) fn say(&self, key: &str, values: &[(&str, &dyn Display)]) -> String {
        let mut text = self
            .texts
            .get(key)
            .cloned()
            .unwrap_or_else(|| key.to_owned());
        for (name, value) in values {
            text = text.replace(&format!("{{{name}}}"), &value.to_string());
        }
        text
    }
}

/// `[section] key = "text"` becomes `section.key`.
fn catalogue(source: &str) -> HashMap<String, String> {
    let table: toml::Table = source
        .parse()
        .expect("the catalogues are checked by a test");
    let mut texts = HashMap::new();
    for (section, entries) in &table {
        let entries = entries.as_table().expect("a catalogue holds sections");
        for (key, text) in entries {
            let text = text.as_str().expect("a catalogue's sections hold texts");
            texts.insert(format!("{section}.{key}"), text.trim_end().to_owned());
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn both_languages_say_the_same_things_with_the_same_values() {
        let placeholders = |text: &str| -> BTreeSet<String> {
            text.split('{')
                .skip(1)
                .filter_map(|rest| rest.split_once('}'))
                .map(|(name, _)| name.to_owned())
                .collect()
        };
        let (vi, en) = (catalogue(VIETNAMESE), catalogue(ENGLISH));
        let keys = |texts: &HashMap<String, String>| texts.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(keys(&vi), keys(&en));
        for (key, text) in &vi {
            assert_eq!(placeholders(text), placeholders(&en[key]), "{key}");
        }
    }

    #[test]
    fn values_stand_where_their_names_are() {
        let texts = Texts::new(Language::En);
        let said = texts.say("search.total", &[("count", &3)]);
        assert!(said.contains('3'), "{said}");
        assert_eq!(texts.language(), Language::En);
    }
}
