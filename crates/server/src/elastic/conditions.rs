//! What queries ask of one field, as our conditions.
//!
//! Words of texts, whole values of everything else: the meaning is that of [`query::matches`].

use event::{Field, FieldKind};
use ipnet::IpNet;
use query::{
    Bound, Condition, Expr, FieldName, Limits, Literal, Pattern, Phrase, Piece, Range, Regex, Test,
};

use super::dates::Dates;
use super::fault::Fault;
use super::lucene_regex::{Case, Operators, Target, translated};

/// The most values of one `terms` or `ids`.
pub(super) const VALUES_MAX: usize = 10_000;
/// The most conditions that a number of conditions out of several may be written as.
const COMBINATIONS_MAX: usize = 256;
/// The most values and words that these may hold in all.
const WEIGHT_MAX: usize = 20_000;

/// What a query asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// The words of the raw text.
    Raw,
    /// The words of another field.
    Words(FieldName),
    /// The values of a field.
    Values(FieldName),
}

impl Subject {
    /// What the name stands for: `message` is the raw text, `x.keyword` is `x`, `_id` is the place in the journal.
    pub(super) fn named(name: &str) -> Self {
        let field = field_named(name);
        match field.known() {
            Some(Field::MESSAGE | Field::EVENT_ORIGINAL) => Self::Raw,
            _ if field.is_text() => Self::Words(field),
            _ => Self::Values(field),
        }
    }

    /// Whether it is asked by words.
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Raw | Self::Words(_))
    }

    fn holds(&self, phrase: Phrase) -> Expr {
        match self {
            Self::Raw => Expr::Test(Test::Text(phrase)),
            Self::Words(field) | Self::Values(field) => {
                Expr::field(field.clone(), Condition::Holds(phrase))
            }
        }
    }
}

/// The field that a name stands for.
pub(super) fn field_named(name: &str) -> FieldName {
    if matches!(name, "_id" | "_seq_no" | "_doc" | "_shard_doc") {
        return Field::NHATKY_SEQ.into();
    }
    let field = FieldName::new(name);
    match name.strip_suffix(".keyword") {
        Some(whole) if field.known().is_none() => {
            let whole = FieldName::new(whole);
            if whole.known().is_some() {
                whole
            } else {
                field
            }
        }
        _ => field,
    }
}

/// How several conditions become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    All,
    Any,
}

impl Join {
    pub(super) fn of(name: &str) -> Result<Self, Fault> {
        if name.eq_ignore_ascii_case("and") {
            Ok(Self::All)
        } else if name.eq_ignore_ascii_case("or") {
            Ok(Self::Any)
        } else {
            Err(Fault::argument("an operator must be AND or OR"))
        }
    }
}

/// What is done with a value that the field cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The request is refused.
    Refused,
    /// It matches nothing.
    Nothing,
}

/// The two ends of a range, and whether they belong to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    pub(super) low: Option<(String, End)>,
    pub(super) high: Option<(String, End)>,
}

/// Whether an end of a range belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    With,
    Without,
}

/// Makes conditions of one request, as many as it may have.
#[derive(Debug)]
pub(super) struct Conditions {
    dates: Dates,
    limits: Limits,
    tests: usize,
    regexes: usize,
}

impl Conditions {
    pub(super) fn new(dates: Dates) -> Self {
        Self {
            dates,
            limits: Limits::default(),
            tests: 0,
            regexes: 0,
        }
    }

    /// Dates as they are read where nothing else is said.
    pub(super) fn dates(&self) -> &Dates {
        &self.dates
    }

    pub(super) fn depth_max(&self) -> usize {
        self.limits.depth
    }

    /// One condition more.
    fn count(&mut self) -> Result<(), Fault> {
        self.tests += 1;
        if self.tests > self.limits.clauses {
            return Err(Fault::argument(format!(
                "there are more than {} conditions: put values of one field into [terms]",
                self.limits.clauses
            )));
        }
        Ok(())
    }

    /// One regular expression more.
    pub(super) fn count_regex(&mut self) -> Result<(), Fault> {
        self.regexes += 1;
        if self.regexes > self.limits.regexes {
            return Err(Fault::argument(format!(
                "there are more than {} regular expressions",
                self.limits.regexes
            )));
        }
        Ok(())
    }

    /// The whole value, or the words of a text.
    pub(super) fn value(
        &mut self,
        subject: &Subject,
        text: &str,
        dates: &Dates,
        unfit: Unfit,
    ) -> Result<Expr, Fault> {
        self.count()?;
        let Subject::Values(field) = subject else {
            return phrase_of(subject, text);
        };
        one_value(field, text, dates, unfit)
    }

    /// One of the whole values.
    pub(super) fn values(
        &mut self,
        subject: &Subject,
        texts: &[String],
        unfit: Unfit,
    ) -> Result<Expr, Fault> {
        if texts.len() > VALUES_MAX {
            return Err(Fault::argument(format!(
                "there are more than {VALUES_MAX} values: ask for them in parts"
            )));
        }
        let field = match subject {
            Subject::Values(field) if field.kind() != FieldKind::Date => field,
            _ => {
                let dates = self.dates.clone();
                let each = texts
                    .iter()
                    .map(|text| self.value(subject, text, &dates, unfit));
                return Ok(Expr::or(each.collect::<Result<Vec<_>, _>>()?));
            }
        };
        self.count()?;
        let mut literals = Vec::with_capacity(texts.len());
        let mut others = Vec::new();
        for text in texts {
            match one_value(field, text, &self.dates, unfit)? {
                Expr::Test(Test::Field(_, Condition::Is(literal))) => literals.push(literal),
                other => others.push(other),
            }
        }
        let literals = match literals.len() {
            0 => Expr::None,
            1 => Expr::field(field.clone(), Condition::Is(literals.swap_remove(0))),
            _ => Expr::field(field.clone(), Condition::OneOf(literals.into())),
        };
        others.push(literals);
        Ok(Expr::or(others))
    }

    /// The words of the text, whichever or all; of a field that is no text, the whole value.
    pub(super) fn words(
        &mut self,
        subject: &Subject,
        text: &str,
        join: Join,
        least: Option<&str>,
        unfit: Unfit,
    ) -> Result<Expr, Fault> {
        if !subject.is_text() {
            let dates = self.dates.clone();
            return self.value(subject, text, &dates, unfit);
        }
        let mut words = Vec::new();
        for word in words_of(text) {
            self.count()?;
            words.push(phrase_of(subject, word)?);
        }
        match (join, least) {
            (Join::All, None) if words.is_empty() => Ok(Expr::None),
            (Join::All, None) => Ok(Expr::and(words)),
            (Join::Any, None) => Ok(Expr::or(words)),
            (_, Some(least)) => {
                let least = least_of(least, words.len())?;
                self.at_least(least, words)
            }
        }
    }

    /// Consecutive words; of a field that is no text, the whole value.
    pub(super) fn phrase(
        &mut self,
        subject: &Subject,
        text: &str,
        unfit: Unfit,
    ) -> Result<Expr, Fault> {
        let dates = self.dates.clone();
        self.value(subject, text, &dates, unfit)
    }

    /// What begins with the text; of a text, consecutive words of which the last so begins.
    pub(super) fn prefix(&mut self, subject: &Subject, text: &str) -> Result<Expr, Fault> {
        self.like(
            subject,
            Pattern::new([Piece::Text(text.into()), Piece::Run]),
        )
    }

    /// What is like the pattern; of a text, consecutive words that are.
    pub(super) fn like(&mut self, subject: &Subject, pattern: Pattern) -> Result<Expr, Fault> {
        self.count()?;
        match subject {
            Subject::Values(field) if pattern.is_any() => {
                Ok(Expr::field(field.clone(), Condition::Exists))
            }
            Subject::Words(field) if pattern.is_any() => {
                Ok(Expr::field(field.clone(), Condition::Exists))
            }
            Subject::Raw if pattern.is_any() => Ok(Expr::All),
            Subject::Values(field) => match pattern.pieces() {
                [] => one_value(field, "", &self.dates, Unfit::Nothing),
                [Piece::Text(text)] => one_value(field, text, &self.dates, Unfit::Nothing),
                _ => Ok(Expr::field(field.clone(), Condition::Like(pattern))),
            },
            Subject::Raw | Subject::Words(_) => match Phrase::like(pattern.clone()) {
                Some(phrase) => Ok(subject.holds(phrase)),
                None if pattern.pieces().iter().any(asks_for_words) => Err(too_many_words()),
                None => Ok(Expr::None),
            },
        }
    }

    /// What matches the expression as a whole; of a text, a word that does.
    pub(super) fn regex(
        &mut self,
        subject: &Subject,
        source: &str,
        case: Case,
        operators: Operators,
    ) -> Result<Expr, Fault> {
        self.count()?;
        self.count_regex()?;
        let target = match subject {
            Subject::Values(_) => Target::Value,
            Subject::Raw | Subject::Words(_) => Target::Word,
        };
        let source = translated(source, target, case, operators)?;
        let regex = Regex::new(&source).map_err(|_| {
            Fault::argument("the regular expression is too large: use smaller repetitions")
        })?;
        Ok(match subject {
            Subject::Raw => Expr::Test(Test::Regex(regex)),
            Subject::Words(field) | Subject::Values(field) => {
                Expr::field(field.clone(), Condition::Regex(regex))
            }
        })
    }

    /// A value between two ends.
    pub(super) fn range(
        &mut self,
        subject: &Subject,
        ends: &Ends,
        dates: &Dates,
        unfit: Unfit,
    ) -> Result<Expr, Fault> {
        self.count()?;
        let Subject::Values(field) = subject else {
            return Err(Fault::argument(
                "a range asks whole values, not words: ask a field that is no text",
            ));
        };
        if ends.low.is_none() && ends.high.is_none() {
            return Ok(Expr::field(field.clone(), Condition::Exists));
        }
        if field.kind() == FieldKind::Date {
            return match (dates_between(field, ends, dates), unfit) {
                (Err(_), Unfit::Nothing) => Ok(Expr::None),
                (between, _) => between,
            };
        }
        let bound = |end: &Option<(String, End)>| match end {
            None => Ok(Some(Bound::Open)),
            Some((text, end)) => {
                let literal = Literal::new(text);
                Ok(match (fits(field, &literal), unfit, end) {
                    (true, _, End::With) => Some(Bound::With(literal)),
                    (true, _, End::Without) => Some(Bound::Without(literal)),
                    (false, Unfit::Nothing, _) => None,
                    (false, Unfit::Refused, _) => return Err(unfit_value(field, text)),
                })
            }
        };
        match (bound(&ends.low)?, bound(&ends.high)?) {
            (Some(low), Some(high)) => Ok(Expr::field(
                field.clone(),
                Condition::Range(Range { low, high }),
            )),
            _ => Ok(Expr::None),
        }
    }

    /// Any value. The name of a group of fields stands for each of them.
    pub(super) fn exists(&mut self, name: &str) -> Result<Expr, Fault> {
        self.count()?;
        if matches!(name, "_id" | "_index" | "_source" | "_doc" | "_seq_no") {
            return Ok(Expr::All);
        }
        let field = field_named(name);
        if field.known().is_some() {
            return Ok(Expr::field(field, Condition::Exists));
        }
        let within = |known: &Field| {
            let rest = known.name().strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        let mut any: Vec<Expr> = Field::all()
            .filter(within)
            .map(|known| Expr::field(known, Condition::Exists))
            .collect();
        if any.is_empty() {
            any.push(Expr::field(field, Condition::Exists));
        }
        Ok(Expr::or(any))
    }

    /// At least so many of the conditions.
    pub(super) fn at_least(&mut self, least: usize, of: Vec<Expr>) -> Result<Expr, Fault> {
        match least {
            0 => return Ok(Expr::All),
            1 => return Ok(Expr::or(of)),
            least if least == of.len() => return Ok(Expr::and(of)),
            least if least > of.len() => return Ok(Expr::None),
            _ => {}
        }
        let mut chosen = Vec::new();
        choose(&of, least, &mut Vec::new(), &mut chosen);
        let heaviest = of.iter().map(weight).max().unwrap_or(0);
        if chosen.len() > COMBINATIONS_MAX || chosen.len() * least * heaviest > WEIGHT_MAX {
            return Err(Fault::argument(format!(
                "[minimum_should_match] of {least} out of {} is not supported: ask for one or for all of them, or for \
                 fewer",
                of.len()
            )));
        }
        Ok(Expr::or(chosen.into_iter().map(Expr::and)))
    }
}

/// Appends every choice of so many of the conditions, until there are too many.
fn choose(of: &[Expr], least: usize, chosen: &mut Vec<Expr>, choices: &mut Vec<Vec<Expr>>) {
    if choices.len() > COMBINATIONS_MAX || of.len() < least {
        return;
    }
    if least == 0 {
        choices.push(chosen.clone());
        return;
    }
    let Some((first, rest)) = of.split_first() else {
        return;
    };
    chosen.push(first.clone());
    choose(rest, least - 1, chosen, choices);
    chosen.pop();
    choose(rest, least, chosen, choices);
}

/// How many values and words the condition is about.
fn weight(expr: &Expr) -> usize {
    let mut weight = 0;
    expr.each_test(&mut |test| {
        weight += match test {
            Test::Field(_, Condition::OneOf(literals)) => literals.len(),
            Test::Field(_, Condition::Holds(phrase)) | Test::Text(phrase) => phrase.words().len(),
            Test::Field(..) | Test::Regex(_) => 1,
        };
    });
    weight
}

/// How many of `count` conditions are wanted: `2`, `-1`, `75%`, `-25%`, `3<90%`.
pub(super) fn least_of(text: &str, count: usize) -> Result<usize, Fault> {
    let wrong = || Fault::argument("[minimum_should_match] must be like 2, -1, 75%, -25% or 3<90%");
    let text = text.trim();
    if text.len() > 100 {
        return Err(wrong());
    }
    if text.contains('<') {
        let mut wanted = count;
        for part in text.split_whitespace() {
            let (above, rest) = part.split_once('<').ok_or_else(wrong)?;
            let above: usize = above.parse().map_err(|_| wrong())?;
            if rest.contains('<') {
                return Err(wrong());
            }
            if count <= above {
                return Ok(wanted);
            }
            wanted = least_of(rest, count)?;
        }
        return Ok(wanted);
    }
    let whole = i64::try_from(count).unwrap_or(i64::MAX);
    let wanted = match text.strip_suffix('%') {
        Some(share) => {
            let share: i64 = share.parse().map_err(|_| wrong())?;
            if !(-1000..=1000).contains(&share) {
                return Err(wrong());
            }
            // Rounded down, whichever way it counts.
            let part = whole * share.abs() / 100;
            if share < 0 { whole - part } else { part }
        }
        None => {
            let number: i64 = text.parse().map_err(|_| wrong())?;
            if number < 0 {
                whole.saturating_add(number)
            } else {
                number
            }
        }
    };
    Ok(usize::try_from(wanted).unwrap_or(0))
}

/// A text cut into what counts as a word: what white space or signs separate, but for the few signs within a word; an
/// address is one word.
pub(super) fn words_of(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for chunk in text.split_whitespace() {
        let bare = chunk.trim_matches(['[', ']', '(', ')', ',', ';', '"', '.']);
        if bare.parse::<std::net::IpAddr>().is_ok() {
            words.push(bare);
            continue;
        }
        let mut start = None;
        let mut chars = chunk.char_indices().peekable();
        let mut before = ' ';
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map_or(' ', |(_, next)| *next);
            let joins = joins(before, c, next);
            // Marks on letters belong to them.
            let belongs =
                c.is_alphanumeric() || joins || (!c.is_ascii() && start.is_some() && is_mark(c));
            match (start, belongs) {
                (None, true) => start = Some(at),
                (Some(from), false) => {
                    words.extend(chunk.get(from..at));
                    start = None;
                }
                _ => {}
            }
            before = c;
        }
        words.extend(start.and_then(|from| chunk.get(from..)));
    }
    words
}

/// Whether the sign between two characters leaves them in one word, as Unicode's word boundaries (UAX #29) have it.
fn joins(before: char, sign: char, next: char) -> bool {
    let letters = before.is_alphabetic() && next.is_alphabetic();
    let digits = before.is_numeric() && next.is_numeric();
    match sign {
        '_' => before.is_alphanumeric() && next.is_alphanumeric(),
        '.' | '\'' | '\u{2019}' => letters || digits,
        ':' => letters,
        ',' | ';' => digits,
        _ => false,
    }
}

/// Whether the tokeniser keeps the character within a word.
fn is_mark(c: char) -> bool {
    let mut pair = String::from("a");
    pair.push(c);
    query::tokens(&pair)
        .next()
        .is_some_and(|token| token.text.len() == pair.len())
}

fn asks_for_words(piece: &Piece) -> bool {
    match piece {
        Piece::Text(text) => text.chars().any(char::is_alphanumeric),
        Piece::Run | Piece::One => true,
    }
}

fn phrase_of(subject: &Subject, text: &str) -> Result<Expr, Fault> {
    match Phrase::new(text) {
        Some(phrase) => Ok(subject.holds(phrase)),
        // Nothing to be looked for: as Elasticsearch, nothing is found.
        None if query::tokens(text).next().is_none() => Ok(Expr::None),
        None => Err(too_many_words()),
    }
}

fn too_many_words() -> Fault {
    Fault::argument(format!(
        "a phrase has more than {} words: shorten it",
        Phrase::WORDS_MAX
    ))
}

/// The whole value of a field that is no text.
fn one_value(field: &FieldName, text: &str, dates: &Dates, unfit: Unfit) -> Result<Expr, Fault> {
    if field.kind() == FieldKind::Date {
        return match (dates.read(text), unfit) {
            (Ok(instants), _) => Ok(Expr::field(
                field.clone(),
                Condition::Range(Range {
                    low: Bound::With(date_literal(instants.start)),
                    high: Bound::Without(date_literal(instants.end)),
                }),
            )),
            (Err(_), Unfit::Nothing) => Ok(Expr::None),
            (Err(fault), Unfit::Refused) => Err(fault),
        };
    }
    if let Some(network) = network(field, text) {
        return Ok(Expr::field(field.clone(), Condition::Network(network)));
    }
    let literal = Literal::new(text);
    match (fits(field, &literal), unfit) {
        (true, _) => Ok(Expr::field(field.clone(), Condition::Is(literal))),
        (false, Unfit::Nothing) => Ok(Expr::None),
        (false, Unfit::Refused) => Err(unfit_value(field, text)),
    }
}

/// The network that the text is, of a field of addresses.
fn network(field: &FieldName, text: &str) -> Option<IpNet> {
    if field.kind() != FieldKind::Address || !text.contains('/') {
        return None;
    }
    let network: IpNet = text.parse().ok()?;
    Some(network.trunc())
}

fn fits(field: &FieldName, literal: &Literal) -> bool {
    match field.kind() {
        FieldKind::Number => literal.number().is_some(),
        FieldKind::Address => literal.address().is_some(),
        FieldKind::Keyword | FieldKind::Text | FieldKind::Date => true,
    }
}

fn unfit_value(field: &FieldName, text: &str) -> Fault {
    let holds = match field.kind() {
        FieldKind::Number => "numbers",
        FieldKind::Address => "addresses and networks",
        FieldKind::Keyword | FieldKind::Text | FieldKind::Date => "other values",
    };
    let shown: String = text.chars().take(100).collect();
    Fault::argument(format!(
        "[{shown}] cannot be a value of [{}], which holds {holds}",
        field.name()
    ))
}

fn dates_between(field: &FieldName, ends: &Ends, dates: &Dates) -> Result<Expr, Fault> {
    let low = match &ends.low {
        None => Bound::Open,
        Some((text, End::With)) => Bound::With(date_literal(dates.read(text)?.start)),
        Some((text, End::Without)) => Bound::With(date_literal(dates.read(text)?.end)),
    };
    let high = match &ends.high {
        None => Bound::Open,
        Some((text, End::With)) => Bound::Without(date_literal(dates.read(text)?.end)),
        Some((text, End::Without)) => Bound::Without(date_literal(dates.read(text)?.start)),
    };
    Ok(Expr::field(
        field.clone(),
        Condition::Range(Range { low, high }),
    ))
}

pub(super) fn date_literal(at: event::Micros) -> Literal {
    Literal::new(&at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_fields() {
        let check = |name: &str, expected: &str| assert_eq!(field_named(name).name(), expected);
        check("user.name", "user.name");
        check("user.name.keyword", "user.name");
        check("vendor.thing.keyword", "vendor.thing.keyword");
        check("_id", "nhatky.seq");
        assert_eq!(Subject::named("message"), Subject::Raw);
        assert_eq!(Subject::named("event.original"), Subject::Raw);
        assert!(!Subject::named("user.name").is_text());
    }

    #[test]
    fn a_text_is_cut_into_words_as_elasticsearch_cuts_it() {
        let check = |text: &str, expected: &[&str]| assert_eq!(words_of(text), expected, "{text}");
        check("Failed password", &["Failed", "password"]);
        check("foo-bar (baz)", &["foo", "bar", "baz"]);
        check("from 10.0.0.5:443,", &["from", "10.0.0.5", "443"]);
        check("[2001:db8::1]", &["2001:db8::1"]);
        check(
            "fw1.example.vn. user_name _x",
            &["fw1", "example.vn", "user_name", "x"],
        );
        check("Nguye\u{302}\u{303}n,An", &["Nguye\u{302}\u{303}n", "An"]);
        check("*** !!", &[]);
    }

    #[test]
    fn how_many_are_wanted_is_read_in_every_form() {
        let check = |text: &str, count: usize, expected: usize| {
            assert_eq!(least_of(text, count).unwrap(), expected, "{text}");
        };
        check("2", 5, 2);
        check("-1", 5, 4);
        check("75%", 5, 3);
        check("-25%", 5, 4);
        check("3<90%", 3, 3);
        check("3<90%", 10, 9);
        check("2<-25% 9<-3", 5, 4);
        check("2<-25% 9<-3", 12, 9);
        check("-9", 5, 0);
        for wrong in ["", "x", "2<", "<2", "1<2<3", "9999%"] {
            assert!(least_of(wrong, 5).is_err(), "{wrong}");
        }
    }

    #[test]
    fn some_of_several_conditions_are_every_choice_of_them() {
        let mut conditions = Conditions::new(Dates::new(event::Micros(0)));
        let of = |count: usize| -> Vec<Expr> {
            let words = (0..count).map(|number| format!("w{number}"));
            words
                .filter_map(|word| phrase_of(&Subject::Raw, &word).ok())
                .collect()
        };
        let two_of_three = conditions.at_least(2, of(3)).unwrap();
        assert_eq!(
            two_of_three.to_string(),
            "w0 AND w1 OR w0 AND w2 OR w1 AND w2"
        );
        assert_eq!(conditions.at_least(4, of(3)).unwrap(), Expr::None);
        assert!(conditions.at_least(10, of(20)).is_err());
    }
}
