//! Elasticsearch's queries, which are JSON, as our conditions.
//!
//! What cannot be followed exactly is refused; only what changes nothing but scores is passed over.

use event::Field;
use query::{Condition, Expr, Literal, Pattern, Piece};
use serde_json::Value;

use super::conditions::{
    Conditions, End, Ends, Join, Subject, Unfit, VALUES_MAX, field_named, least_of,
};
use super::dates::Dates;
use super::fault::Fault;
use super::lucene_regex::{Case, Operators};
use super::members::{Members, plain_text};
use super::query_string::{self, Reading};
use super::simple_query;

/// What only scores depend on.
const SCORES: &[&str] = &["boost"];

/// The condition that the query is.
pub(super) fn read(query: Value, conditions: &mut Conditions) -> Result<Expr, Fault> {
    Reader { conditions }.query(query, 0)
}

struct Reader<'a> {
    conditions: &'a mut Conditions,
}

impl Reader<'_> {
    fn query(&mut self, query: Value, depth: usize) -> Result<Expr, Fault> {
        if depth > self.conditions.depth_max() {
            return Err(Fault::parsing(format!(
                "queries are nested deeper than {}",
                self.conditions.depth_max()
            )));
        }
        let (kind, body) = Members::of("query", query)?.only()?;
        match kind.as_str() {
            "match_all" => self.bare("match_all", body, Expr::All),
            "match_none" => self.bare("match_none", body, Expr::None),
            "bool" => self.boolean(body, depth),
            "constant_score" => self.inner(body, "constant_score", "filter", depth),
            "boosting" => self.boosting(body, depth),
            "dis_max" => self.dis_max(body, depth),
            "term" => self.term(body),
            "terms" => self.terms(body),
            "match" => self.matching(body),
            "match_phrase" => self.match_phrase(body),
            "match_phrase_prefix" => self.match_phrase_prefix(body),
            "match_bool_prefix" => self.match_bool_prefix(body),
            "multi_match" => self.multi_match(body),
            "range" => self.range(body),
            "exists" => self.exists(body),
            "prefix" => self.prefix(body),
            "wildcard" => self.wildcard(body),
            "regexp" => self.regexp(body),
            "ids" => self.ids(body),
            "query_string" => self.query_string(body),
            "simple_query_string" => self.simple_query_string(body),
            "fuzzy" => Err(unsupported(&kind, "use [wildcard] or [prefix]")),
            "nested" | "has_child" | "has_parent" | "parent_id" => Err(unsupported(
                &kind,
                "events are flat: ask the fields by their dotted names",
            )),
            "script" | "script_score" | "function_score" | "distance_feature" | "rank_feature"
            | "pinned" => Err(unsupported(
                &kind,
                "there are no scripts and no scores: use [bool] and [range]",
            )),
            "terms_set" | "more_like_this" | "percolate" | "wrapper" | "intervals" | "knn"
            | "geo_distance" | "geo_bounding_box" | "geo_shape" | "geo_polygon" | "span_near"
            | "span_term" | "span_or" | "span_first" | "span_multi" | "semantic" => Err(
                unsupported(&kind, "use [bool], [match_phrase] and [query_string]"),
            ),
            _ => Err(Fault::parsing(format!("unknown query [{}]", short(&kind)))),
        }
    }

    fn bare(&self, place: &str, body: Value, expr: Expr) -> Result<Expr, Fault> {
        let mut members = Members::of(place, body)?;
        members.ignore(SCORES);
        members.finish()?;
        Ok(expr)
    }

    /// The queries that a member holds: one or a list.
    fn list(&mut self, body: Option<Value>, depth: usize) -> Result<Vec<Expr>, Fault> {
        let list = match body {
            None => Vec::new(),
            Some(Value::Array(list)) => list,
            Some(one) => vec![one],
        };
        let each = list.into_iter().map(|query| self.query(query, depth + 1));
        each.collect()
    }

    fn boolean(&mut self, body: Value, depth: usize) -> Result<Expr, Fault> {
        let mut members = Members::of("bool", body)?;
        let must = self.list(members.take("must"), depth)?;
        let filter = self.list(members.take("filter"), depth)?;
        let should = self.list(members.take("should"), depth)?;
        let must_not = self.list(members.take("must_not"), depth)?;
        let least = members.text("minimum_should_match")?;
        members.ignore(&["adjust_pure_negative"]);
        members.ignore(SCORES);
        members.finish()?;
        let least = match least {
            Some(least) => least_of(&least, should.len())?,
            None => usize::from(must.is_empty() && filter.is_empty() && !should.is_empty()),
        };
        let should = self.conditions.at_least(least, should)?;
        let others = must_not.into_iter().map(Expr::not);
        Ok(Expr::and(
            must.into_iter().chain(filter).chain([should]).chain(others),
        ))
    }

    fn inner(&mut self, body: Value, place: &str, name: &str, depth: usize) -> Result<Expr, Fault> {
        let mut members = Members::of(place, body)?;
        let inner = members.need(name)?;
        members.ignore(SCORES);
        members.finish()?;
        self.query(inner, depth + 1)
    }

    /// The negative part only lowers scores; it must be a query all the same.
    fn boosting(&mut self, body: Value, depth: usize) -> Result<Expr, Fault> {
        let mut members = Members::of("boosting", body)?;
        let positive = members.need("positive")?;
        let negative = members.need("negative")?;
        members.ignore(&["negative_boost"]);
        members.ignore(SCORES);
        members.finish()?;
        self.query(negative, depth + 1)?;
        self.query(positive, depth + 1)
    }

    fn dis_max(&mut self, body: Value, depth: usize) -> Result<Expr, Fault> {
        let mut members = Members::of("dis_max", body)?;
        let queries = members.need("queries")?;
        members.ignore(&["tie_breaker"]);
        members.ignore(SCORES);
        members.finish()?;
        Ok(Expr::or(self.list(Some(queries), depth)?))
    }

    fn term(&mut self, body: Value) -> Result<Expr, Fault> {
        let (name, mut members) = of_field("term", body, "value")?;
        let value = members.need("value")?;
        let text = plain_text(&value)
            .ok_or_else(|| members.wrong("value", "a text, a number or true or false"))?;
        members.boolean("case_insensitive")?;
        members.ignore(SCORES);
        members.finish()?;
        let dates = self.conditions.dates().clone();
        self.conditions
            .value(&subject(&name)?, &text, &dates, unfit_of(&name))
    }

    fn terms(&mut self, body: Value) -> Result<Expr, Fault> {
        let mut members = Members::of("terms", body)?;
        members.ignore(SCORES);
        let (name, values) = match members.rest() {
            fields if fields.len() == 1 => fields.into_iter().next().unwrap_or_default(),
            _ => return Err(Fault::parsing("[terms] must name one field")),
        };
        let Value::Array(values) = values else {
            return Err(Fault::argument(
                "[terms] of another document is not supported: write the values in a list",
            ));
        };
        let texts: Option<Vec<String>> = values.iter().map(plain_text).collect();
        let texts = texts
            .ok_or_else(|| Fault::parsing("[terms] must hold texts, numbers, true or false"))?;
        self.conditions
            .values(&subject(&name)?, &texts, unfit_of(&name))
    }

    fn matching(&mut self, body: Value) -> Result<Expr, Fault> {
        let (name, mut members) = of_field("match", body, "query")?;
        let text = members.needed_text("query")?;
        let options = words_options(&mut members)?;
        members.finish()?;
        self.some_words(&[subject(&name)?], &text, &options)
    }

    fn some_words(
        &mut self,
        subjects: &[Subject],
        text: &str,
        options: &WordsOptions,
    ) -> Result<Expr, Fault> {
        let has_words = query::tokens(text).next().is_some();
        if !has_words && options.all_without_words && subjects.iter().all(Subject::is_text) {
            return Ok(Expr::All);
        }
        let mut any = Vec::with_capacity(subjects.len());
        for subject in subjects {
            any.push(self.conditions.words(
                subject,
                text,
                options.join,
                options.least.as_deref(),
                options.unfit,
            )?);
        }
        Ok(Expr::or(any))
    }

    fn match_phrase(&mut self, body: Value) -> Result<Expr, Fault> {
        let (name, mut members) = of_field("match_phrase", body, "query")?;
        let text = members.needed_text("query")?;
        phrase_options(&mut members)?;
        members.finish()?;
        self.conditions
            .phrase(&subject(&name)?, &text, Unfit::Refused)
    }

    fn match_phrase_prefix(&mut self, body: Value) -> Result<Expr, Fault> {
        let (name, mut members) = of_field("match_phrase_prefix", body, "query")?;
        let text = members.needed_text("query")?;
        phrase_options(&mut members)?;
        members.ignore(&["max_expansions"]);
        members.finish()?;
        self.phrase_prefix(&subject(&name)?, &text)
    }

    fn phrase_prefix(&mut self, subject: &Subject, text: &str) -> Result<Expr, Fault> {
        if query::tokens(text).next().is_none() && subject.is_text() {
            return Ok(Expr::None);
        }
        self.conditions.prefix(subject, text)
    }

    fn match_bool_prefix(&mut self, body: Value) -> Result<Expr, Fault> {
        let (name, mut members) = of_field("match_bool_prefix", body, "query")?;
        let text = members.needed_text("query")?;
        let options = words_options(&mut members)?;
        members.finish()?;
        self.bool_prefix(&subject(&name)?, &text, &options)
    }

    /// All words as such, but for the last, with which one begins.
    fn bool_prefix(
        &mut self,
        subject: &Subject,
        text: &str,
        options: &WordsOptions,
    ) -> Result<Expr, Fault> {
        if !subject.is_text() {
            return self.conditions.prefix(subject, text);
        }
        let words = super::conditions::words_of(text);
        let Some((last, first)) = words.split_last() else {
            return Ok(Expr::None);
        };
        let mut each = Vec::with_capacity(words.len());
        for word in first {
            each.push(self.conditions.phrase(subject, word, options.unfit)?);
        }
        each.push(self.conditions.prefix(subject, last)?);
        match (&options.least, options.join) {
            (Some(least), _) => {
                let least = least_of(least, each.len())?;
                self.conditions.at_least(least, each)
            }
            (None, Join::All) => Ok(Expr::and(each)),
            (None, Join::Any) => Ok(Expr::or(each)),
        }
    }

    fn multi_match(&mut self, body: Value) -> Result<Expr, Fault> {
        let mut members = Members::of("multi_match", body)?;
        let text = members.needed_text("query")?;
        let fields = members.texts("fields")?;
        let kind = members.text("type")?;
        let kind = kind.as_deref().unwrap_or("best_fields");
        members.ignore(&["tie_breaker", "max_expansions"]);
        if members.whole("slop")?.is_some_and(|slop| slop != 0) {
            return Err(no_slop());
        }
        let options = words_options(&mut members)?;
        members.finish()?;
        let subjects = subjects(fields)?;
        match kind {
            "best_fields" | "most_fields" => self.some_words(&subjects, &text, &options),
            "cross_fields" if subjects.len() == 1 => self.some_words(&subjects, &text, &options),
            "phrase" | "phrase_prefix" | "bool_prefix" => {
                let mut any = Vec::with_capacity(subjects.len());
                for subject in &subjects {
                    any.push(match kind {
                        "phrase" => self.conditions.phrase(subject, &text, options.unfit)?,
                        "phrase_prefix" => self.phrase_prefix(subject, &text)?,
                        _ => self.bool_prefix(subject, &text, &options)?,
                    });
                }
                Ok(Expr::or(any))
            }
            "cross_fields" => Err(Fault::argument(
                "[type] cross_fields of [multi_match] is not supported: use [bool] with a [match] for each word",
            )),
            _ => Err(Fault::parsing("[type] of [multi_match] is not known")),
        }
    }

    fn range(&mut self, body: Value) -> Result<Expr, Fault> {
        let (name, mut members) = of_field("range", body, "")?;
        let (format, zone) = (members.text("format")?, members.text("time_zone")?);
        let dates = self.conditions.dates().clone();
        let dates = dates.with(format.as_deref(), zone.as_deref())?;
        let ends = ends(&mut members)?;
        if members
            .text("relation")?
            .is_some_and(|relation| !relation.eq_ignore_ascii_case("intersects"))
        {
            return Err(Fault::argument(
                "[relation] of [range] is for fields that hold ranges: leave it out",
            ));
        }
        members.ignore(SCORES);
        members.finish()?;
        self.conditions
            .range(&subject(&name)?, &ends, &dates, unfit_of(&name))
    }

    fn exists(&mut self, body: Value) -> Result<Expr, Fault> {
        let mut members = Members::of("exists", body)?;
        let name = members.needed_text("field")?;
        members.ignore(SCORES);
        members.finish()?;
        self.conditions.exists(&name)
    }

    fn prefix(&mut self, body: Value) -> Result<Expr, Fault> {
        let (name, mut members) = of_field("prefix", body, "value")?;
        let text = members.needed_text("value")?;
        members.ignore(&["case_insensitive", "rewrite"]);
        members.ignore(SCORES);
        members.finish()?;
        self.conditions.prefix(&subject(&name)?, &text)
    }

    fn wildcard(&mut self, body: Value) -> Result<Expr, Fault> {
        let (name, mut members) = of_field("wildcard", body, "value")?;
        let text = match members.text("value")? {
            Some(text) => text,
            None => members.needed_text("wildcard")?,
        };
        members.ignore(&["case_insensitive", "rewrite"]);
        members.ignore(SCORES);
        members.finish()?;
        if text.len() > query_string::TEXT_BYTES_MAX {
            return Err(Fault::argument("the pattern is too long"));
        }
        self.conditions.like(&subject(&name)?, pattern_of(&text))
    }

    fn regexp(&mut self, body: Value) -> Result<Expr, Fault> {
        let (name, mut members) = of_field("regexp", body, "value")?;
        let source = members.needed_text("value")?;
        let operators = match members.text("flags")? {
            Some(flags) => Operators::of(&flags)?,
            None => Operators::ALL,
        };
        let case = match members.boolean("case_insensitive")? {
            Some(true) => Case::Insensitive,
            _ => Case::Sensitive,
        };
        members.ignore(&["max_determinized_states", "rewrite"]);
        members.ignore(SCORES);
        members.finish()?;
        self.conditions
            .regex(&subject(&name)?, &source, case, operators)
    }

    /// Identities are places in the journal; others there are none of.
    fn ids(&mut self, body: Value) -> Result<Expr, Fault> {
        let mut members = Members::of("ids", body)?;
        let ids = members.texts("values")?.unwrap_or_default();
        members.ignore(SCORES);
        members.finish()?;
        if ids.len() > VALUES_MAX {
            return Err(Fault::argument(format!(
                "there are more than {VALUES_MAX} ids: ask for them in parts"
            )));
        }
        let seqs = ids.iter().filter(|id| id.parse::<u64>().is_ok());
        let mut literals: Vec<Literal> = seqs.map(|id| Literal::new(id)).collect();
        let condition = match literals.len() {
            0 => return Ok(Expr::None),
            1 => Condition::Is(literals.swap_remove(0)),
            _ => Condition::OneOf(literals.into()),
        };
        Ok(Expr::field(Field::NHATKY_SEQ, condition))
    }

    fn query_string(&mut self, body: Value) -> Result<Expr, Fault> {
        let mut members = Members::of("query_string", body)?;
        let text = members.needed_text("query")?;
        let reading = reading(&mut members, self.conditions.dates())?;
        members.finish()?;
        query_string::read(&text, &reading, self.conditions)
    }

    fn simple_query_string(&mut self, body: Value) -> Result<Expr, Fault> {
        let mut members = Members::of("simple_query_string", body)?;
        let text = members.needed_text("query")?;
        let subjects = subjects(members.texts("fields")?)?;
        let join = match members.text("default_operator")? {
            Some(name) => Join::of(&name)?,
            None => Join::Any,
        };
        let instead = "leave it out";
        members.refuse(
            &["analyzer", "minimum_should_match", "quote_field_suffix"],
            instead,
        )?;
        if members
            .text("flags")?
            .is_some_and(|flags| !flags.eq_ignore_ascii_case("all"))
        {
            return Err(Fault::argument(
                "[flags] of [simple_query_string] is not supported: put a \\ before operators that are text",
            ));
        }
        members.ignore(&[
            "analyze_wildcard",
            "auto_generate_synonyms_phrase_query",
            "fuzzy_max_expansions",
            "fuzzy_prefix_length",
            "fuzzy_transpositions",
            "lenient",
        ]);
        members.ignore(SCORES);
        members.finish()?;
        simple_query::read(&text, &subjects, join, self.conditions)
    }
}

/// How the words of a text are asked for.
struct WordsOptions {
    join: Join,
    least: Option<String>,
    unfit: Unfit,
    /// Whether a text without a word matches everything.
    all_without_words: bool,
}

fn words_options(members: &mut Members) -> Result<WordsOptions, Fault> {
    let join = match members.text("operator")? {
        Some(name) => Join::of(&name)?,
        None => Join::Any,
    };
    let least = members.text("minimum_should_match")?;
    let unfit = match members.boolean("lenient")? {
        Some(true) => Unfit::Nothing,
        _ => Unfit::Refused,
    };
    let zero = members.text("zero_terms_query")?;
    let fuzziness = members.text("fuzziness")?;
    if fuzziness.is_some_and(|fuzziness| fuzziness != "0") {
        return Err(Fault::argument(format!(
            "[fuzziness] of [{}] is not supported: leave it out, or use [wildcard]",
            members.place()
        )));
    }
    members.refuse(
        &["analyzer"],
        "texts are cut into words in one way: leave it out",
    )?;
    members.ignore(&[
        "auto_generate_synonyms_phrase_query",
        "fuzzy_rewrite",
        "fuzzy_transpositions",
        "max_expansions",
        "prefix_length",
    ]);
    members.ignore(SCORES);
    Ok(WordsOptions {
        join,
        least: match join {
            // Of all words, all are wanted.
            Join::All => None,
            Join::Any => least,
        },
        unfit,
        all_without_words: zero.is_some_and(|zero| zero.eq_ignore_ascii_case("all")),
    })
}

fn phrase_options(members: &mut Members) -> Result<(), Fault> {
    if members.whole("slop")?.is_some_and(|slop| slop != 0) {
        return Err(no_slop());
    }
    members.refuse(
        &["analyzer"],
        "texts are cut into words in one way: leave it out",
    )?;
    if members
        .text("zero_terms_query")?
        .is_some_and(|zero| !zero.eq_ignore_ascii_case("none"))
    {
        return Err(members.wrong("zero_terms_query", "none"));
    }
    members.ignore(SCORES);
    Ok(())
}

fn no_slop() -> Fault {
    Fault::argument(
        "[slop] is not supported: words must follow each other; use [bool] with several [match]",
    )
}

/// Reads the options of a `query_string`, all but its text.
pub(super) fn reading(members: &mut Members, dates: &Dates) -> Result<Reading, Fault> {
    let fields = match (members.texts("fields")?, members.text("default_field")?) {
        (Some(fields), _) => Some(fields),
        (None, Some(field)) => Some(vec![field]),
        (None, None) => None,
    };
    let join = match members.text("default_operator")? {
        Some(name) => Join::of(&name)?,
        None => Join::Any,
    };
    let unfit = match members.boolean("lenient")? {
        Some(true) => Unfit::Nothing,
        _ => Unfit::Refused,
    };
    let zone = members.text("time_zone")?;
    let leading_wildcard = members.boolean("allow_leading_wildcard")? != Some(false);
    let least = members.text("minimum_should_match")?;
    if members.whole("phrase_slop")?.is_some_and(|slop| slop != 0) {
        return Err(no_slop());
    }
    if members
        .text("type")?
        .is_some_and(|kind| !matches!(kind.as_str(), "best_fields" | "most_fields"))
    {
        return Err(Fault::argument(
            "[type] of [query_string] is not supported: put quotes around phrases",
        ));
    }
    let instead = "texts are cut into words in one way: leave it out";
    members.refuse(
        &["analyzer", "quote_analyzer", "quote_field_suffix", "escape"],
        instead,
    )?;
    members.ignore(&[
        "analyze_wildcard",
        "auto_generate_synonyms_phrase_query",
        "enable_position_increments",
        "fuzziness",
        "fuzzy_max_expansions",
        "fuzzy_prefix_length",
        "fuzzy_rewrite",
        "fuzzy_transpositions",
        "max_determinized_states",
        "rewrite",
        "tie_breaker",
    ]);
    members.ignore(SCORES);
    Ok(Reading {
        subjects: subjects(fields)?,
        join,
        unfit,
        dates: dates.clone().with(None, zone.as_deref())?,
        least,
        leading_wildcard,
    })
}

/// What fields stand for, with `^2` cut off; the raw text where there are none, or all.
fn subjects(fields: Option<Vec<String>>) -> Result<Vec<Subject>, Fault> {
    let fields = fields.unwrap_or_default();
    if fields.len() > 64 {
        return Err(Fault::argument("there are more than 64 [fields]"));
    }
    let mut subjects: Vec<Subject> = Vec::new();
    for field in &fields {
        let name = field.split('^').next().unwrap_or_default();
        let found = if name == "*" {
            Subject::Raw
        } else {
            subject(name)?
        };
        if !subjects.contains(&found) {
            subjects.push(found);
        }
    }
    if subjects.is_empty() {
        subjects.push(Subject::Raw);
    }
    Ok(subjects)
}

fn subject(name: &str) -> Result<Subject, Fault> {
    if name.is_empty() || name.contains('*') {
        return Err(Fault::argument(format!(
            "[{}] is not supported as the name of a field: name each field, without wildcards",
            short(name)
        )));
    }
    if matches!(name, "_index" | "_type" | "_source" | "_routing") {
        return Err(Fault::argument(format!(
            "[{name}] cannot be asked: every index name stands for everything kept"
        )));
    }
    Ok(Subject::named(name))
}

/// An identity that is no number is the identity of nothing.
fn unfit_of(name: &str) -> Unfit {
    if name == "_id" {
        Unfit::Nothing
    } else {
        Unfit::Refused
    }
}

/// `{"field": {…}}`, or `{"field": value}` for `{"field": {short: value}}`.
fn of_field(place: &str, body: Value, short_form: &str) -> Result<(String, Members), Fault> {
    let (name, value) = Members::of(place, body)?.only()?;
    if !value.is_object() && short_form.is_empty() {
        return Err(Fault::parsing(format!(
            "[{place}] must hold an object for its field"
        )));
    }
    let value = if value.is_object() {
        value
    } else {
        let mut members = serde_json::Map::new();
        members.insert(short_form.to_owned(), value);
        Value::Object(members)
    };
    Ok((name, Members::of(place, value)?))
}

/// The ends of a range in their new and old forms.
fn ends(members: &mut Members) -> Result<Ends, Fault> {
    let end = |inclusive: bool| {
        if inclusive { End::With } else { End::Without }
    };
    let include_lower = members.boolean("include_lower")?.unwrap_or(true);
    let include_upper = members.boolean("include_upper")?.unwrap_or(true);
    let mut ends = Ends::default();
    let forms = [
        ("from", end(include_lower)),
        ("gte", End::With),
        ("gt", End::Without),
    ];
    for (name, end) in forms {
        if let Some(text) = members.text(name)? {
            ends.low = Some((text, end));
        }
    }
    let forms = [
        ("to", end(include_upper)),
        ("lte", End::With),
        ("lt", End::Without),
    ];
    for (name, end) in forms {
        if let Some(text) = members.text(name)? {
            ends.high = Some((text, end));
        }
    }
    Ok(ends)
}

/// Lucene's wildcards: `\` takes the meaning from whatever follows it.
fn pattern_of(text: &str) -> Pattern {
    let mut pieces = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '*' => Piece::Run,
            '?' => Piece::One,
            '\\' => Piece::Text(chars.next().unwrap_or('\\').to_string().into()),
            c => Piece::Text(c.to_string().into()),
        });
    }
    Pattern::new(pieces)
}

/// Whether the field is one that a bucket or a sort can go by; for messages elsewhere.
pub(super) fn field_of(name: &str) -> Result<query::FieldName, Fault> {
    if name.is_empty() || name.contains('*') || matches!(name, "_index" | "_source" | "_type") {
        return Err(Fault::argument(format!(
            "[{}] is not supported as the name of a field: name one field, without wildcards",
            short(name)
        )));
    }
    Ok(field_named(name))
}

fn unsupported(kind: &str, instead: &str) -> Fault {
    Fault::argument(format!("the query [{kind}] is not supported: {instead}"))
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use event::Micros;
    use serde_json::json;

    use super::*;

    fn read_query(query: Value) -> Result<Expr, Fault> {
        let now = Micros::from_rfc3339("2026-10-11T22:14:15Z").unwrap();
        read(query, &mut Conditions::new(Dates::new(now)))
    }

    fn check(query: Value, expected: &str) {
        let shown = query.to_string();
        let expr = read_query(query).unwrap();
        assert_eq!(expr.to_string(), expected, "{shown}");
    }

    #[test]
    fn queries_become_conditions() {
        check(json!({"match_all": {}}), "*");
        check(json!({"match_none": {}}), "NOT *");
        check(json!({"term": {"user.name": "root"}}), "user.name:root");
        check(
            json!({"term": {"user.name.keyword": {"value": "root", "boost": 2}}}),
            "user.name:root",
        );
        check(
            json!({"term": {"source.ip": "10.0.0.0/8"}}),
            "source.ip:10.0.0.0/8",
        );
        check(
            json!({"terms": {"source.port": [22, "80"], "boost": 1.0}}),
            "source.port:(22 OR 80)",
        );
        check(json!({"terms": {"user.name": []}}), "NOT *");
        check(
            json!({"match": {"message": "failed login"}}),
            "failed OR login",
        );
        check(
            json!({"match": {"message": {"query": "failed login", "operator": "and"}}}),
            "failed AND login",
        );
        check(
            json!({"match": {"message": {"query": "a b c", "minimum_should_match": "-1"}}}),
            "a AND b OR a AND c OR b AND c",
        );
        check(
            json!({"match": {"user.name": "an nguyen"}}),
            "user.name:\"an nguyen\"",
        );
        check(
            json!({"match_phrase": {"event.original": "invalid user"}}),
            "\"invalid user\"",
        );
        check(
            json!({"match_phrase_prefix": {"message": "invalid us"}}),
            "invalid\\ us*",
        );
        check(
            json!({"multi_match": {"query": "root", "fields": ["user.name^3", "message"]}}),
            "user.name:root OR root",
        );
        check(
            json!({"range": {"source.port": {"gte": 1, "lt": 1024}}}),
            "source.port:[1 TO 1024}",
        );
        check(
            json!({"range": {"source.port": {"from": 1, "to": 9, "include_upper": false}}}),
            "source.port:[1 TO 9}",
        );
        check(
            json!({"range": {"@timestamp": {"gt": "2026-10-10", "lte": "now/d"}}}),
            "@timestamp:[\"2026-10-11T00:00:00Z\" TO \"2026-10-12T00:00:00Z\"}",
        );
        check(
            json!({"range": {"@timestamp": {"gte": 1_791_756_855_000_i64, "format": "epoch_millis"}}}),
            "@timestamp:[\"2026-10-11T22:14:15Z\" TO *]",
        );
        check(json!({"exists": {"field": "user.name"}}), "user.name:*");
        check(json!({"prefix": {"user.name": "ro"}}), "user.name:ro*");
        check(
            json!({"wildcard": {"user.name": {"value": "r?o\\*t*", "case_insensitive": true}}}),
            "user.name:r?o\\*t*",
        );
        check(json!({"wildcard": {"user.name": "*"}}), "user.name:*");
        check(json!({"wildcard": {"message": "fail*"}}), "fail*");
        check(
            json!({"ids": {"values": ["7", "x", 9]}}),
            "nhatky.seq:(7 OR 9)",
        );
        check(
            json!({"constant_score": {"filter": {"term": {"_id": "7"}}}}),
            "nhatky.seq:7",
        );
    }

    #[test]
    fn a_bool_wants_what_elasticsearch_wants() {
        let term = |word: &str| json!({"match": {"message": word}});
        check(json!({"bool": {}}), "*");
        check(
            json!({"bool": {"must": term("a"), "filter": [term("b")], "must_not": term("c"), "should": term("d")}}),
            "a AND b AND NOT c",
        );
        check(
            json!({"bool": {"should": [term("a"), term("b")]}}),
            "a OR b",
        );
        check(
            json!({"bool": {"must": term("a"), "should": [term("b"), term("c")], "minimum_should_match": "50%"}}),
            "a AND (b OR c)",
        );
        check(
            json!({"bool": {"must_not": [term("a"), term("b")]}}),
            "NOT a AND NOT b",
        );
    }

    #[test]
    fn what_is_not_known_or_not_supported_is_refused_by_name() {
        let check = |query: Value, named: &str| {
            let shown = query.to_string();
            let fault = read_query(query).unwrap_err().body().to_string();
            assert!(fault.contains(named), "{shown}: {fault}");
        };
        check(json!({}), "empty");
        check(json!([]), "object");
        check(json!({"term": {"a": 1}, "match": {}}), "one member");
        check(json!({"termm": {"a": 1}}), "termm");
        check(json!({"term": {"a": {"value": 1, "wrong": 2}}}), "wrong");
        check(json!({"term": {"a": {"value": null}}}), "value");
        check(json!({"term": {"a": 1, "b": 2}}), "one member");
        check(json!({"bool": {"mustn't": []}}), "mustn't");
        check(json!({"term": {"source.port": "x"}}), "source.port");
        check(json!({"term": {"source.ip": "x"}}), "source.ip");
        check(json!({"term": {"@timestamp": "x"}}), "date");
        check(json!({"range": {"message": {"gt": "a"}}}), "words");
        check(
            json!({"range": {"source.ip": {"gt": "10.0.0.0/8"}}}),
            "source.ip",
        );
        check(
            json!({"match": {"message": {"query": "a", "fuzziness": "AUTO"}}}),
            "fuzziness",
        );
        check(
            json!({"match_phrase": {"message": {"query": "a b", "slop": 2}}}),
            "slop",
        );
        check(
            json!({"terms": {"a": {"index": "x", "id": "1", "path": "p"}}}),
            "list",
        );
        check(json!({"regexp": {"user.name": "a&b"}}), "operators");
        check(json!({"script": {}}), "script");
        check(json!({"nested": {}}), "dotted names");
        check(json!({"fuzzy": {}}), "wildcard");
        check(json!({"term": {"_index": "x"}}), "_index");
        check(json!({"exists": {}}), "field");
    }

    #[test]
    fn nesting_and_numbers_are_bounded_at_their_edge() {
        let nested = |depth: usize| {
            let mut query = json!({"match_all": {}});
            for _ in 0..depth {
                query = json!({"bool": {"filter": query}});
            }
            query
        };
        assert!(read_query(nested(50)).is_ok());
        assert!(read_query(nested(51)).is_err());
        let values = |count: usize| json!({"terms": {"source.port": vec![1; count]}});
        assert!(read_query(values(VALUES_MAX)).is_ok());
        assert!(read_query(values(VALUES_MAX + 1)).is_err());
        let clauses =
            |count: usize| json!({"bool": {"should": vec![json!({"term": {"a": "b"}}); count]}});
        assert!(read_query(clauses(1024)).is_ok());
        assert!(read_query(clauses(1025)).is_err());
        let regexes =
            |count: usize| json!({"bool": {"should": vec![json!({"regexp": {"a": "b"}}); count]}});
        assert!(read_query(regexes(16)).is_ok());
        assert!(read_query(regexes(17)).is_err());
        let words = |count: usize| json!({"match_phrase": {"message": "a ".repeat(count)}});
        assert!(read_query(words(64)).is_ok());
        assert!(read_query(words(65)).is_err());
    }
}
