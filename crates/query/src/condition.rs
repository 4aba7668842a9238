//! What stands behind `field:`, read as what the field holds.

use event::{FieldKind, Micros};
use ipnet::{IpNet, Ipv4Net};
use jiff::tz::TimeZone;

use crate::date::{Interval, interval};
use crate::diagnostic::{Code, Diagnostic, Replacement, Severity, Span};
use crate::lexer::{Comparison, Kind, Lexeme, Lexer, Mode, Quotes, Side};
use crate::pattern::Piece;
use crate::{Bound, Condition, FieldName, Literal, Pattern, Phrase, Range};

/// What was read: the parser compiles and counts regular expressions itself.
pub(crate) enum Read {
    Condition(Condition),
    Regex(String),
}

/// Reads values of one field.
pub(crate) struct ValueReader<'a, 'text> {
    pub(crate) field: &'a FieldName,
    pub(crate) now: Micros,
    pub(crate) zone: &'a TimeZone,
    pub(crate) lexer: &'a mut Lexer<'text>,
    pub(crate) diagnostics: &'a mut Vec<Diagnostic>,
}

/// A bound as written.
enum BoundText {
    /// `*`.
    None,
    Value(String),
}

impl ValueReader<'_, '_> {
    /// Reads the value that begins with `first`. `None` after an error that is among the diagnostics.
    pub(crate) fn read(&mut self, first: Lexeme) -> Option<Read> {
        let span = first.span;
        let condition = match first.kind {
            Kind::Regex(source) => return Some(Read::Regex(source)),
            Kind::Word(pieces) => self.word(Pattern::new(pieces), span)?,
            Kind::Quoted(text, quotes) => {
                self.check_quotes(quotes, span);
                self.text(&text, span)?
            }
            Kind::Compare(comparison) => Condition::Range(self.comparison(comparison, span)?),
            Kind::BracketOpen(side) => self.range(side, span)?,
            _ => {
                return self.fail(
                    Code::MissingValue,
                    span,
                    "the field has no value",
                    "write one, or «*» for any",
                );
            }
        };
        Some(Read::Condition(condition))
    }

    fn word(&mut self, pattern: Pattern, span: Span) -> Option<Condition> {
        if pattern.is_any() {
            return Some(Condition::Exists);
        }
        match pattern.pieces() {
            [] => self.text("", span),
            [Piece::Text(text)] => match network(text) {
                Some(network) => Some(Condition::Network(network)),
                None => self.text(text, span),
            },
            _ => Some(Condition::Like(pattern)),
        }
    }

    /// A value without wildcards.
    fn text(&mut self, text: &str, span: Span) -> Option<Condition> {
        if self.field.kind() == FieldKind::Text {
            return self.words(text, span);
        }
        if let Some(interval) = self.date(text) {
            return Some(within(interval));
        }
        let literal = Literal::new(text);
        if let Some(message) = self.unfit(&literal) {
            let fix = "correct it, or leave it so to find records in which the field is such text";
            self.report(Severity::Warning, Code::BadValue, span, &message, fix);
            if let Some(meant) = self.meant(text, Part::Whole) {
                self.propose(Replacement::new(span, meant));
            }
        }
        Some(Condition::Is(literal))
    }

    fn words(&mut self, text: &str, span: Span) -> Option<Condition> {
        if let Some(phrase) = Phrase::new(text) {
            return Some(Condition::Holds(phrase));
        }
        if crate::tokens(text).next().is_none() {
            return Some(Condition::Is(Literal::new(text)));
        }
        let message = format!("the phrase has more than {} words", Phrase::WORDS_MAX);
        self.fail(
            Code::PhraseTooLong,
            span,
            &message,
            "shorten it, or join shorter ones with AND",
        )
    }

    fn comparison(&mut self, comparison: Comparison, sign: Span) -> Option<Range> {
        let next = self.lexer.next(Mode::Value);
        let Some(BoundText::Value(text)) = self.bound_text(&next) else {
            self.lexer.go_back(next.span.start);
            self.fail::<()>(
                Code::MissingValue,
                sign,
                "there is no value to compare with",
                "write one after the sign",
            );
            self.propose(Replacement::new(sign, "*"));
            return None;
        };
        let (low, high) = match comparison {
            Comparison::Less => (None, Some(Side::Without)),
            Comparison::LessOrEqual => (None, Some(Side::With)),
            Comparison::Greater => (Some(Side::Without), None),
            Comparison::GreaterOrEqual => (Some(Side::With), None),
        };
        Some(Range {
            low: low.map_or(Some(Bound::Open), |side| self.low(&text, side, next.span))?,
            high: high.map_or(Some(Bound::Open), |side| self.high(&text, side, next.span))?,
        })
    }

    /// `[a TO b]`, after its bracket.
    fn range(&mut self, low_side: Side, open: Span) -> Option<Condition> {
        // Up to the closing bracket whatever stands there, so that the rest is read as what it is.
        let mut parts = Vec::new();
        let (close, close_end) = loop {
            let next = self.lexer.next(Mode::Bound);
            match next.kind {
                Kind::BracketClose(side) => break (Some(side), Some(next.span.end)),
                Kind::End => break (None, None),
                _ if parts.len() < 4 => parts.push(next),
                _ => {}
            }
        };
        let (low, high) = match parts.as_slice() {
            [low, to, high] if is_to(to) => (Some(low), Some(high)),
            _ => (None, None),
        };
        let low = low.and_then(|low| Some((self.bound_text(low)?, low.span)));
        let high = high.and_then(|high| Some((self.bound_text(high)?, high.span)));
        let (Some((low_text, low)), Some((high_text, high)), Some(high_side)) = (low, high, close)
        else {
            self.fail::<()>(
                Code::BadRange,
                open,
                "this range is not complete",
                "write it as «[low TO high]», with «*» for a side without a bound",
            );
            self.propose(completed(self.lexer.text(), open, &parts, close_end));
            return None;
        };
        let low = match low_text {
            BoundText::None => Bound::Open,
            BoundText::Value(text) => self.low(&text, low_side, low)?,
        };
        let high = match high_text {
            BoundText::None => Bound::Open,
            BoundText::Value(text) => self.high(&text, high_side, high)?,
        };
        if low == Bound::Open && high == Bound::Open {
            return Some(Condition::Exists);
        }
        Some(Condition::Range(Range { low, high }))
    }

    fn bound_text(&mut self, lexeme: &Lexeme) -> Option<BoundText> {
        match &lexeme.kind {
            Kind::Quoted(text, quotes) => {
                self.check_quotes(*quotes, lexeme.span);
                Some(BoundText::Value(text.clone()))
            }
            Kind::Word(pieces) => {
                let pattern = Pattern::new(pieces.iter().cloned());
                match pattern.pieces() {
                    [Piece::Text(text)] => Some(BoundText::Value(text.to_string())),
                    [Piece::Run] => Some(BoundText::None),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn low(&mut self, text: &str, side: Side, span: Span) -> Option<Bound> {
        let Some(interval) = self.date(text) else {
            return self.bound(text, side, span);
        };
        Some(match side {
            Side::With => Bound::With(date_literal(interval.start)),
            Side::Without if interval.is_instant() => Bound::Without(date_literal(interval.start)),
            Side::Without => Bound::With(date_literal(interval.end)),
        })
    }

    fn high(&mut self, text: &str, side: Side, span: Span) -> Option<Bound> {
        let Some(interval) = self.date(text) else {
            return self.bound(text, side, span);
        };
        Some(match side {
            Side::Without => Bound::Without(date_literal(interval.start)),
            Side::With if interval.is_instant() => Bound::With(date_literal(interval.start)),
            Side::With => Bound::Without(date_literal(interval.end)),
        })
    }

    fn bound(&mut self, text: &str, side: Side, span: Span) -> Option<Bound> {
        let literal = Literal::new(text);
        if let Some(message) = self.unfit(&literal) {
            self.fail::<()>(
                Code::BadValue,
                span,
                &message,
                "write a bound with which its values can be compared",
            );
            if let Some(meant) = self.meant(text, Part::Bound) {
                self.propose(Replacement::new(span, meant));
            }
            return None;
        }
        Some(match side {
            Side::With => Bound::With(literal),
            Side::Without => Bound::Without(literal),
        })
    }

    fn date(&self, text: &str) -> Option<Interval> {
        if self.field.kind() != FieldKind::Date {
            return None;
        }
        interval(text, self.now, self.zone)
    }

    /// Why the value cannot be what the field holds, if so.
    fn unfit(&self, literal: &Literal) -> Option<String> {
        let expected = match self.field.kind() {
            FieldKind::Number if literal.number().is_none() => "numbers",
            FieldKind::Address if literal.address().is_none() => "addresses",
            FieldKind::Date => "dates such as 2026-10-11, 2026-10-11T22:14:15+07:00 or now-15m",
            FieldKind::Number | FieldKind::Address | FieldKind::Keyword | FieldKind::Text => {
                return None;
            }
        };
        Some(format!(
            "{} holds {expected}; «{}» is none",
            self.field.name(),
            literal.text()
        ))
    }

    fn check_quotes(&mut self, quotes: Quotes, span: Span) {
        if quotes == Quotes::Open {
            self.report(
                Severity::Error,
                Code::UnclosedQuote,
                span,
                "this quote is never closed",
                "write «\"» where the text ends",
            );
            self.propose(Replacement::close(self.lexer.text(), span.end, '"'));
        }
    }

    /// What was meant by a text that is no value of the field: the beginning of an address, a day by its name.
    fn meant(&self, text: &str, part: Part) -> Option<String> {
        match self.field.kind() {
            FieldKind::Address => beginning_of_v4(text, part),
            FieldKind::Date => match text.to_lowercase().as_str() {
                "today" | "hôm nay" => Some("now/d".to_owned()),
                "yesterday" | "hôm qua" => Some("now-1d/d".to_owned()),
                _ => None,
            },
            FieldKind::Number | FieldKind::Keyword | FieldKind::Text => None,
        }
    }

    fn fail<T>(&mut self, code: Code, span: Span, message: &str, fix: &str) -> Option<T> {
        self.report(Severity::Error, code, span, message, fix);
        None
    }

    fn report(&mut self, severity: Severity, code: Code, span: Span, message: &str, fix: &str) {
        self.diagnostics.push(Diagnostic {
            severity,
            code,
            span,
            message: message.to_owned(),
            fix: fix.to_owned(),
            replacement: None,
        });
    }

    /// What to write instead of what was told last.
    fn propose(&mut self, replacement: Replacement) {
        if let Some(told) = self.diagnostics.last_mut() {
            told.replacement = Some(replacement);
        }
    }
}

/// What of a condition a text is.
#[derive(Clone, Copy)]
enum Part {
    /// The value that is asked for.
    Whole,
    /// A bound of a range.
    Bound,
}

/// `10.0` and `10.0.` as the network, or its first address.
fn beginning_of_v4(text: &str, part: Part) -> Option<String> {
    let octets: Vec<u8> = text
        .trim_end_matches('.')
        .split('.')
        .map(|octet| octet.parse().ok())
        .collect::<Option<_>>()?;
    let given = octets.len();
    if given > 3 {
        return None;
    }
    let mut address = [0_u8; 4];
    for (place, octet) in address.iter_mut().zip(octets) {
        *place = octet;
    }
    let address = std::net::Ipv4Addr::from(address);
    Some(match part {
        Part::Whole => format!("{address}/{}", given * 8),
        Part::Bound => address.to_string(),
    })
}

/// The range that an incomplete one was to be, of the texts in it, each with its sides.
fn completed(text: &str, open: Span, parts: &[Lexeme], close_end: Option<usize>) -> Replacement {
    let mut values = Vec::new();
    let mut end = open.end;
    for part in parts.iter().filter(|part| !is_to(part)) {
        let written = text.get(part.span.start..part.span.end).unwrap_or_default();
        let written = written.trim_matches(',');
        if values.len() == 2 || written.eq_ignore_ascii_case("to") || written.is_empty() {
            continue;
        }
        let halves = [",", "..", "-"].iter().find_map(|between| {
            let (low, high) = written.split_once(between)?;
            let is_bound = |half: &str| {
                half.parse::<f64>().is_ok() || half.parse::<std::net::IpAddr>().is_ok()
            };
            (is_bound(low) && is_bound(high)).then_some([low, high])
        });
        end = part.span.end;
        match halves.filter(|_| values.is_empty()) {
            Some(halves) => values.extend(halves),
            None => values.push(written),
        }
    }
    let end = close_end.unwrap_or(end);
    let low = values.first().copied().unwrap_or("*");
    let high = values.get(1).copied().unwrap_or("*");
    Replacement::new(Span { end, ..open }, format!("[{low} TO {high}]"))
}

fn within(interval: Interval) -> Condition {
    let start = date_literal(interval.start);
    if interval.is_instant() {
        return Condition::Is(start);
    }
    Condition::Range(Range {
        low: Bound::With(start),
        high: Bound::Without(date_literal(interval.end)),
    })
}

fn date_literal(at: Micros) -> Literal {
    Literal::new(&at.to_string())
}

fn is_to(lexeme: &Lexeme) -> bool {
    matches!(&lexeme.kind, Kind::Word(pieces) if matches!(Pattern::new(pieces.iter().cloned()).pieces(), [Piece::Text(text)] if **text == *"TO"))
}

/// The network that the text is, host bits cut off and IPv4 taken out of IPv6.
fn network(text: &str) -> Option<IpNet> {
    let network: IpNet = text.parse().ok()?;
    let mapped = match network {
        IpNet::V6(network) => network
            .addr()
            .to_ipv4_mapped()
            .zip(network.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    let network = mapped
        .and_then(|(address, length)| Ipv4Net::new(address, length).ok())
        .map_or(network, IpNet::V4);
    Some(network.trunc())
}
