//! Sets of known fields, a bit each.

use crate::Field;
use crate::field_table::FIELDS;

/// A set of fields that have a name of their own: asked faster than any list of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldSet([u64; FIELDS.len().div_ceil(64)]);

impl FieldSet {
    /// Adds the field.
    pub fn insert(&mut self, field: Field) {
        let (word, bit) = place(field);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    /// Takes the field away.
    pub fn remove(&mut self, field: Field) {
        let (word, bit) = place(field);
        if let Some(word) = self.0.get_mut(word) {
            *word &= !bit;
        }
    }

    /// Whether it has the field.
    #[must_use]
    pub fn contains(&self, field: Field) -> bool {
        let (word, bit) = place(field);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Whether it has every field of the other.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        let mut words = self.0.iter().zip(&other.0);
        words.all(|(own, asked)| own & asked == *asked)
    }
}

impl FromIterator<Field> for FieldSet {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> Self {
        let mut set = Self::default();
        fields.into_iter().for_each(|field| set.insert(field));
        set
    }
}

fn place(field: Field) -> (usize, u64) {
    (field.number() / 64, 1 << (field.number() % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_in_the_set_that_it_was_put_in_and_in_no_other() {
        let mut all = FieldSet::default();
        for field in Field::all() {
            let alone: FieldSet = [field].into_iter().collect();
            assert!(Field::all().all(|other| alone.contains(other) == (other == field)));
            assert!(!all.contains_all(&alone));
            all.insert(field);
            assert!(all.contains_all(&alone));
        }
        all.remove(Field::SOURCE_IP);
        assert!(!all.contains(Field::SOURCE_IP));
        assert!(all.contains(Field::SOURCE_PORT));
    }
}
