//! Where words stand as literal text of a segment's templates.

use std::collections::HashMap;

use query::Pattern;

use crate::template;

/// The templates of a segment, by their words.
#[derive(Debug, Default)]
pub(crate) struct LiteralPlaces {
    /// The terms of their documents; a template's number is its place here.
    terms: Vec<Box<str>>,
    /// The words, ascending, each with where its places end.
    words: Vec<(Box<str>, usize)>,
    /// By word; of one word ascending.
    places: Vec<Place>,
}

/// A template and a position in its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) template: u32,
    pub(crate) position: u32,
}

/// Reads the templates of a segment, one term after another.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    terms: Vec<Box<str>>,
    places: HashMap<Box<str>, Vec<Place>, ahash::RandomState>,
}

impl Reading {
    /// Adds the term of a template; `false` where it is none.
    pub(crate) fn add(&mut self, term: &str) -> bool {
        let Some((of_documents, skeleton)) = template::read(term) else {
            return false;
        };
        let Ok(template) = u32::try_from(self.terms.len()) else {
            return false;
        };
        self.terms.push(of_documents);
        for (position, word) in template::words_of(skeleton) {
            let place = Place { template, position };
            match self.places.get_mut(word) {
                Some(places) => places.push(place),
                None => {
                    self.places.insert(word.into(), vec![place]);
                }
            }
        }
        true
    }

    pub(crate) fn finish(self) -> LiteralPlaces {
        let mut by_word: Vec<_> = self.places.into_iter().collect();
        by_word.sort_unstable_by(|(one, _), (two, _)| one.cmp(two));
        let mut all = LiteralPlaces {
            terms: self.terms,
            words: Vec::with_capacity(by_word.len()),
            places: Vec::with_capacity(by_word.iter().map(|(_, places)| places.len()).sum()),
        };
        for (word, places) in by_word {
            all.places.extend(places);
            all.words.push((word, all.places.len()));
        }
        all
    }
}

impl LiteralPlaces {
    /// The term of a template's documents.
    pub(crate) fn term(&self, template: u32) -> &str {
        self.terms.get(template as usize).map_or("", |term| term)
    }

    /// Where the word is literal text.
    pub(crate) fn of(&self, word: &str) -> &[Place] {
        let at = self
            .words
            .binary_search_by(|(other, _)| (**other).cmp(word));
        at.map_or(&[], |at| self.at(at))
    }

    /// The templates in which a word like this is literal text, ascending.
    pub(crate) fn like(&self, pattern: &Pattern) -> Vec<u32> {
        let prefix = pattern.prefix();
        let begin = self.words.partition_point(|(word, _)| **word < *prefix);
        let words = self.words.iter().enumerate().skip(begin);
        let words = words.take_while(|(_, (word, _))| word.starts_with(&*prefix));
        let like = words.filter(|(_, (word, _))| pattern.matches(word));
        let places = like.flat_map(|(at, _)| self.at(at));
        let mut templates: Vec<u32> = places.map(|place| place.template).collect();
        templates.sort_unstable();
        templates.dedup();
        templates
    }

    fn at(&self, at: usize) -> &[Place] {
        let end_of = |at: usize| self.words.get(at).map_or(0, |(_, end)| *end);
        let begin = at.checked_sub(1).map_or(0, end_of);
        self.places.get(begin..end_of(at)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::template::{Literals, Templates};

    /// The places of the words of these lines, each a template of its own, as numbers.
    fn read(lines: &[&str]) -> LiteralPlaces {
        let words = lines.iter().flat_map(|line| line.split(' '));
        let literals: Literals = words
            .filter(|word| !word.starts_with('?'))
            .map(Box::from)
            .collect();
        let mut templates = Templates::new(Arc::new(literals));
        let mut reading = Reading::default();
        for line in lines {
            templates.begin();
            for word in line.split(' ') {
                templates.take(word);
            }
            let terms = templates.end().expect("short").expect("literal words");
            assert!(reading.add(&terms.of_template.expect("the first of its kind")));
        }
        reading.finish()
    }

    #[test]
    fn a_word_is_found_in_each_template_at_each_position() {
        let places = read(&["failed for ? for", "for failed", "opened ? forward"]);
        let of = |word| -> Vec<(u32, u32)> {
            let places = places.of(word).iter();
            places
                .map(|place| (place.template, place.position))
                .collect()
        };
        assert_eq!(of("for"), [(0, 1), (0, 3), (1, 0)]);
        assert_eq!(of("failed"), [(0, 0), (1, 1)]);
        assert_eq!(of("forward"), [(2, 2)]);
        assert_eq!(of("fo"), []);
        assert_eq!(of(""), []);
        assert_eq!(of("zz"), []);
    }

    #[test]
    fn words_like_a_pattern_give_each_template_once() {
        let places = read(&["failed for ? for", "for failed", "opened ? forward"]);
        let like = |pattern: &str| places.like(&Pattern::from_text(pattern));
        assert_eq!(like("for*"), [0, 1, 2]);
        assert_eq!(like("f*d"), [0, 1, 2]);
        assert_eq!(like("op*"), [2]);
        assert_eq!(like("z*"), [0_u32; 0]);
        assert_eq!(LiteralPlaces::default().term(7), "");
    }

    #[test]
    fn a_term_that_is_none_of_a_template_is_refused() {
        assert!(!Reading::default().add("failed"));
    }
}
