//! What one segment can say about a condition without reading the journal.
//!
//! The answer is two sets: documents that surely match, and documents that possibly do. Between them lie those for
//! which the event itself must be asked. Columns and postings narrow the second set; where they say all, both are one.

use std::ops::RangeInclusive;

use event::{Field, FieldKind};
use query::{Condition, Expr, FieldName, Phrase, Test};

use crate::bits::Bits;
use crate::column_test::{Interval, integer_interval, matching};
use crate::document::{APART, ESCAPED};
use crate::schema::Layout;
use crate::segment::{ColumnValues, Segment};
use crate::trace::{Means, Trace, Why};
use crate::words::{Postings, required_words};

/// Which accelerators may answer. Every way gives the same result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// Whatever is fastest.
    #[default]
    Auto,
    /// Columns; everything else by asking the event.
    Columns,
    /// Postings; everything else by asking the event.
    Words,
    /// By asking every event.
    Scan,
}

impl Way {
    fn may_use_columns(self) -> bool {
        matches!(self, Self::Auto | Self::Columns)
    }

    fn may_use_words(self) -> bool {
        matches!(self, Self::Auto | Self::Words)
    }
}

/// Documents that surely match, and that possibly match; the first are among the second.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) sure: Bits,
    pub(crate) possible: Bits,
}

impl Answer {
    /// These and no others.
    pub(crate) fn exact(docs: Bits) -> Self {
        Self {
            possible: docs.clone(),
            sure: docs,
        }
    }

    /// Perhaps these, surely no others.
    pub(crate) fn perhaps(docs: Bits) -> Self {
        Self {
            sure: Bits::none(docs.len()),
            possible: docs,
        }
    }
}

/// Asks a segment.
#[derive(Debug)]
pub(crate) struct Evaluator<'a> {
    pub(crate) segment: &'a Segment,
    pub(crate) way: Way,
    /// Writes down how each test is answered.
    pub(crate) trace: Option<&'a Trace>,
}

impl<'a> Evaluator<'a> {
    fn by(&self, means: Means) {
        if let Some(trace) = self.trace {
            trace.by(means);
        }
    }

    fn because(&self, why: Why) {
        if let Some(trace) = self.trace {
            trace.because(why);
        }
    }

    /// Every document is left to be asked.
    fn scan(&self, why: Why, within: &Bits) -> Answer {
        self.by(Means::Scan);
        self.because(why);
        Answer::perhaps(within.clone())
    }

    fn postings(&self) -> Postings<'a> {
        Postings {
            segment: self.segment,
            trace: self.trace,
        }
    }

    /// The answer for the documents of `within`; others are in neither set.
    pub(crate) fn answer(&self, expr: &Expr, within: &Bits) -> tantivy::Result<Answer> {
        match expr {
            Expr::All => Ok(Answer::exact(within.clone())),
            Expr::None => Ok(Answer::exact(Bits::none(within.len()))),
            Expr::And(members) => self.all_of(members, within),
            Expr::Or(members) => self.any_of(members, within),
            Expr::Not(inner) => {
                let inner = self.answer(inner, within)?;
                let (mut sure, mut possible) = (within.clone(), within.clone());
                sure.and_not(&inner.possible);
                possible.and_not(&inner.sure);
                Ok(Answer { sure, possible })
            }
            Expr::Test(test) => self.test(test, within),
        }
    }

    /// Cheap members first; each is asked only about what those before it left over.
    fn all_of(&self, members: &[Expr], within: &Bits) -> tantivy::Result<Answer> {
        let mut members: Vec<&Expr> = members.iter().collect();
        members.sort_by_key(|member| cost(member));
        let mut answer = Answer::exact(within.clone());
        for member in members {
            if answer.possible.is_empty() {
                break;
            }
            let next = self.answer(member, &answer.possible)?;
            answer.sure.and(&next.sure);
            answer.possible = next.possible;
        }
        Ok(answer)
    }

    /// Cheap members first; each is asked only about what is not yet sure.
    fn any_of(&self, members: &[Expr], within: &Bits) -> tantivy::Result<Answer> {
        let mut members: Vec<&Expr> = members.iter().collect();
        members.sort_by_key(|member| cost(member));
        let mut answer = Answer::exact(Bits::none(within.len()));
        let mut open = within.clone();
        for member in members {
            let next = self.answer(member, &open)?;
            answer.sure.or(&next.sure);
            answer.possible.or(&next.possible);
            open.and_not(&next.sure);
            if open.is_empty() {
                break;
            }
        }
        Ok(answer)
    }

    fn test(&self, test: &Test, within: &Bits) -> tantivy::Result<Answer> {
        let Some(trace) = self.trace else {
            return self.answer_test(test, within);
        };
        trace.begin();
        let answer = self.answer_test(test, within)?;
        trace.end(test, within.count(), &answer);
        Ok(answer)
    }

    fn answer_test(&self, test: &Test, within: &Bits) -> tantivy::Result<Answer> {
        match test {
            Test::Text(phrase) => self.phrase(phrase, within),
            Test::Regex(_) => Ok(self.scan(Why::Regex, within)),
            Test::Field(field, condition) => self.field(field, condition, within),
        }
    }

    fn phrase(&self, phrase: &Phrase, within: &Bits) -> tantivy::Result<Answer> {
        if !self.way.may_use_words() {
            return Ok(self.scan(Why::NotAllowed, within));
        }
        self.postings().phrase(phrase, within)
    }

    fn field(
        &self,
        field: &FieldName,
        condition: &Condition,
        within: &Bits,
    ) -> tantivy::Result<Answer> {
        match (field.known(), condition) {
            (Some(Field::EVENT_ORIGINAL), Condition::Exists) => {
                self.by(Means::Always);
                return Ok(Answer::exact(within.clone()));
            }
            (Some(Field::EVENT_ORIGINAL), Condition::Holds(phrase)) => {
                return self.phrase(phrase, within);
            }
            (Some(Field::EVENT_ORIGINAL), _) => return Ok(self.scan(Why::NoWords, within)),
            (Some(Field::NHATKY_SEQ), _) if self.way.may_use_columns() => {
                self.by(Means::Seqs);
                return Ok(self.seq(field, condition, within));
            }
            _ => {}
        }
        let column = field.known().and_then(|known| Layout::get().column(known));
        match column {
            Some(_) if self.way.may_use_columns() => self.column(field, condition, within),
            None if self.way.may_use_words() => self.plain_field(field, condition, within),
            _ => Ok(self.scan(Why::NotAllowed, within)),
        }
    }

    fn seq(&self, field: &FieldName, condition: &Condition, within: &Bits) -> Answer {
        match integer_interval(FieldKind::Number, condition) {
            Interval::Empty => Answer::exact(Bits::none(within.len())),
            Interval::Between(range) => {
                let mut docs = self.seqs_within(&range);
                docs.and(within);
                Answer::exact(docs)
            }
            Interval::Other => {
                let meets = |seq: u64| {
                    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
                    condition.meets(field, event::Value::Integer(seq))
                };
                let mut docs = Bits::none(within.len());
                for doc in within.ascending() {
                    if meets(self.segment.seq(doc).0) {
                        docs.insert(doc);
                    }
                }
                Answer::exact(docs)
            }
        }
    }

    fn seqs_within(&self, range: &RangeInclusive<i64>) -> Bits {
        let seq = |bound: i64| event::Seq(u64::try_from(bound).unwrap_or(0));
        self.segment
            .docs_within(&(seq(*range.start())..=seq(*range.end())))
    }

    /// The column says all, but for the documents that are odd in it.
    fn column(
        &self,
        field: &FieldName,
        condition: &Condition,
        within: &Bits,
    ) -> tantivy::Result<Answer> {
        let known = field.known().and_then(|known| Layout::get().column(known));
        let Some(column) = known else {
            return Ok(Answer::perhaps(within.clone()));
        };
        if let Some(answer) = self.whole_segment(column.field, condition, within) {
            self.by(Means::Times);
            return Ok(answer);
        }
        let narrowed = self.narrowed_by_address(condition, within)?;
        self.by(if narrowed.is_some() {
            Means::ColumnOfTerm
        } else {
            Means::Column
        });
        let within = narrowed.as_ref().unwrap_or(within);
        let sure = match self.segment.column(column)? {
            ColumnValues::Absent => Bits::none(within.len()),
            values => matching(values, column.kind, field, condition, within)?,
        };
        let mut answer = Answer::exact(sure);
        for doc in self.segment.odd_docs(column) {
            if within.contains(doc) {
                answer.possible.insert(doc);
                answer.sure.remove(doc);
                self.because(Why::OddValues);
            }
        }
        Ok(answer)
    }

    /// A range of `@timestamp` that holds all of the segment, or nothing of it, needs no column.
    fn whole_segment(&self, field: Field, condition: &Condition, within: &Bits) -> Option<Answer> {
        let info = &self.segment.info;
        if field != Field::TIMESTAMP || !info.timed {
            return None;
        }
        match integer_interval(FieldKind::Date, condition) {
            Interval::Between(range)
                if range.contains(&info.oldest) && range.contains(&info.newest) =>
            {
                Some(Answer::exact(within.clone()))
            }
            Interval::Between(range)
                if info.newest < *range.start() || info.oldest > *range.end() =>
            {
                Some(Answer::exact(Bits::none(within.len())))
            }
            Interval::Empty => Some(Answer::exact(Bits::none(within.len()))),
            Interval::Between(_) | Interval::Other => None,
        }
    }

    /// Every address of a column is a term too: those documents alone can have it.
    fn narrowed_by_address(
        &self,
        condition: &Condition,
        within: &Bits,
    ) -> tantivy::Result<Option<Bits>> {
        let Condition::Is(literal) = condition else {
            return Ok(None);
        };
        let Some(address) = literal.address().filter(|_| self.way.may_use_words()) else {
            return Ok(None);
        };
        let postings = self.postings();
        let mut docs = postings.term(&address.to_string())?;
        docs.or(&postings.term(&format!("{APART}{address}"))?);
        docs.and(within);
        Ok(Some(docs))
    }

    /// A field outside the columns: the words of the value are in the raw text or among the terms. A vendor's own field
    /// may also be one that the raw text writes with escapes.
    fn plain_field(
        &self,
        field: &FieldName,
        condition: &Condition,
        within: &Bits,
    ) -> tantivy::Result<Answer> {
        if field.kind() == FieldKind::Address {
            let Some(narrowed) = self.narrowed_by_address(condition, within)? else {
                return Ok(self.scan(Why::NoWords, within));
            };
            self.by(Means::Terms);
            self.because(Why::NoColumn);
            return Ok(Answer::perhaps(narrowed));
        }
        let Some(alternatives) = required_words(condition) else {
            return Ok(self.scan(Why::NoWords, within));
        };
        self.by(Means::Words);
        self.because(match field.known() {
            Some(_) => Why::NoColumn,
            None => Why::VendorField,
        });
        let postings = self.postings();
        let mut docs = match field.known() {
            Some(_) => Bits::none(within.len()),
            None => postings.term(ESCAPED)?,
        };
        for words in alternatives {
            docs.or(&postings.anywhere(&words)?);
        }
        docs.and(within);
        Ok(Answer::perhaps(docs))
    }
}

/// An order of cost: postings, columns, combinations, what only the event can say.
fn cost(expr: &Expr) -> u32 {
    match expr {
        Expr::All | Expr::None => 0,
        Expr::Test(Test::Text(_)) => 1,
        Expr::Test(Test::Field(field, condition)) => match (field.known(), condition) {
            (Some(Field::NHATKY_SEQ | Field::TIMESTAMP), _) => 0,
            (_, Condition::Is(literal)) if literal.address().is_some() => 1,
            (Some(known), _) if known.info().column => 3,
            _ => 2,
        },
        Expr::Test(Test::Regex(_)) => 5,
        Expr::And(members) => members.iter().map(cost).min().unwrap_or(0),
        Expr::Or(members) => members.iter().map(cost).max().unwrap_or(0).max(2),
        Expr::Not(inner) => cost(inner).max(4),
    }
}
