//! A member of the condition that nothing in the span meets: the field, the value or the word is not there, but near ones.

use std::net::IpAddr;

use event::{Field, FieldKind};
use index::{Budget, Scope, SearchError, TopRequest};
use query::{Condition, Expr, FieldName, Literal, Phrase, Regex, Test};

use super::{Asking, COUNT_BYTES, COUNT_TIME, Reason, Span};

/// How many values of a field are looked at.
const VALUES: usize = 2000;
/// How many near ones are told.
const NEAR_MAX: usize = 3;
/// How many events are looked at for the names and values that no column holds: the newest.
const SAMPLE: usize = 1000;

impl Asking<'_> {
    /// The member in that place is not met once: why, and what would be.
    pub(super) fn unmet(&mut self, place: usize, member: &Expr) -> Result<(), SearchError> {
        match member {
            Expr::Test(Test::Field(field, condition)) => self.unmet_field(place, field, condition),
            Expr::Test(Test::Text(phrase)) => self.unmet_words(place, member, phrase),
            Expr::Test(Test::Regex(regex)) => {
                let other = Regex::new(&format!("(?i){}", regex.source())).ok();
                let other = other.map(|regex| Expr::Test(Test::Regex(regex)));
                let suggestion = self.first_with_hits(place, other)?;
                self.tell(Reason::words_absent(member).with(suggestion));
                Ok(())
            }
            _ => {
                self.tell(Reason::test_unmet(member));
                Ok(())
            }
        }
    }

    /// The first of these in the member's place with which the whole has hits.
    fn first_with_hits(
        &mut self,
        place: usize,
        others: impl IntoIterator<Item = Expr>,
    ) -> Result<Option<super::Suggestion>, SearchError> {
        for other in others {
            let whole = self.nothing.with_member(place, other);
            let suggestion = self.suggest(&whole, self.nothing.span)?;
            if suggestion.is_some() {
                return Ok(suggestion);
            }
        }
        Ok(None)
    }

    fn unmet_field(
        &mut self,
        place: usize,
        field: &FieldName,
        condition: &Condition,
    ) -> Result<(), SearchError> {
        let exists = Expr::field(field.clone(), Condition::Exists);
        let span = self.nothing.span;
        let member = Expr::field(field.clone(), condition.clone());
        match self.count(&exists, span)? {
            Some(0) => {}
            Some(_) => return self.unmet_value(place, field, condition),
            None => {
                self.tell(Reason::test_unmet(&member));
                return Ok(());
            }
        }
        if self.has_hits(&exists, (None, None))? {
            let products = self.values(&exists, &Field::NHATKY_PRODUCT.into(), (None, None))?;
            let products: Vec<String> = products.into_iter().take(NEAR_MAX).collect();
            self.tell(Reason::field_absent(field, &products));
            return Ok(());
        }
        let mut names: Vec<String> = query::field_meant(field.name())
            .into_iter()
            .map(str::to_owned)
            .collect();
        let seen = self.names_seen()?;
        names.extend(near(field.name(), seen.iter().map(String::as_str)));
        names.dedup();
        let others = names
            .iter()
            .map(|name| Expr::field(FieldName::new(name), condition.clone()));
        let others: Vec<Expr> = others.collect();
        let suggestion = self.first_with_hits(place, others)?;
        self.tell(Reason::field_unknown(field, &names).with(suggestion));
        Ok(())
    }

    /// The names of fields that the newest events have.
    fn names_seen(&mut self) -> Result<Vec<String>, SearchError> {
        let events = self.search(&Expr::All, self.nothing.span, SAMPLE)?.hits;
        let mut names: Vec<String> = Vec::new();
        for event in &events {
            names.extend(event.iter().map(|(name, _)| name.to_owned()));
            names.sort_unstable();
            names.dedup();
        }
        Ok(names)
    }

    /// Values of the field of events that match, the most frequent first: of all, or where it is no column of the newest.
    fn values(
        &mut self,
        expr: &Expr,
        field: &FieldName,
        span: Span,
    ) -> Result<Vec<String>, SearchError> {
        if field.column().is_none() {
            let events = self.search(expr, span, SAMPLE)?.hits;
            let values = events
                .iter()
                .flat_map(|event| event.values_named(field.name()));
            let mut values: Vec<String> =
                values.map(|value| value.to_text().into_owned()).collect();
            values.sort_unstable();
            values.dedup();
            return Ok(values);
        }
        self.counts_left = self.counts_left.saturating_sub(1);
        let top = self.index.top(&TopRequest {
            scope: Scope {
                from: span.0,
                to: span.1,
                budget: Budget {
                    time: self.budget.time.min(COUNT_TIME),
                    bytes: self.budget.bytes.min(COUNT_BYTES),
                    ..self.budget.clone()
                },
                cancel: self.cancel.clone(),
                ..Scope::new(expr.clone())
            },
            fields: vec![field.clone()],
            limit: VALUES,
        })?;
        let values = top.only().values.into_iter();
        Ok(values.map(|value| value.value).collect())
    }

    /// The field is there, but not with that value.
    fn unmet_value(
        &mut self,
        place: usize,
        field: &FieldName,
        condition: &Condition,
    ) -> Result<(), SearchError> {
        let Condition::Is(literal) = condition else {
            let member = Expr::field(field.clone(), condition.clone());
            self.tell(Reason::test_unmet(&member));
            return Ok(());
        };
        let exists = Expr::field(field.clone(), Condition::Exists);
        let values = self.values(&exists, field, self.nothing.span)?;
        let near = near(literal.text(), values.iter().map(String::as_str));
        let network = literal.address().and_then(network_around);
        let network = network.filter(|_| field.kind() == FieldKind::Address);
        let in_network =
            network.map(|network| Expr::field(field.clone(), Condition::Network(network)));
        let of_near = near.iter().map(|value| {
            let is = Condition::Is(Literal::new(value));
            Expr::field(field.clone(), is)
        });
        let others: Vec<Expr> = in_network.into_iter().chain(of_near).collect();
        let suggestion = self.first_with_hits(place, others)?;
        let reason = Reason::value_absent(field, literal.text(), &near);
        self.tell(reason.with(suggestion));
        Ok(())
    }

    /// Words that are not there: without diacritics, as beginnings of words, or each for itself they may be.
    fn unmet_words(
        &mut self,
        place: usize,
        member: &Expr,
        phrase: &Phrase,
    ) -> Result<(), SearchError> {
        let text = phrase.text().unwrap_or_default().to_owned();
        let words: Vec<&str> = query::tokens(&text).map(|token| token.text).collect();
        let of_text = |text: &str| Phrase::new(text).map(|phrase| Expr::Test(Test::Text(phrase)));
        let folded = query::fold(&text);
        let plain = (*folded != *text.to_lowercase())
            .then(|| of_text(&folded))
            .flatten();
        let beginnings = words.iter().filter_map(|word| {
            let pieces = [query::Piece::Text((*word).into()), query::Piece::Run];
            let like = Phrase::like(query::Pattern::new(pieces))?;
            Some(Expr::Test(Test::Text(like)))
        });
        let beginnings = Expr::and(beginnings);
        let each = Expr::and(words.iter().filter_map(|word| of_text(word)));
        let apart = (words.len() > 1).then_some(each);
        let beginnings = (!words.is_empty()).then_some(beginnings);
        let others: Vec<Expr> = plain.into_iter().chain(apart).chain(beginnings).collect();
        let suggestion = self.first_with_hits(place, others)?;
        self.tell(Reason::words_absent(member).with(suggestion));
        Ok(())
    }
}

/// The network that neighbours of the address are in: 256 addresses, or a subnet of IPv6.
fn network_around(address: IpAddr) -> Option<ipnet::IpNet> {
    let length = match address {
        IpAddr::V4(_) => 24,
        IpAddr::V6(_) => 64,
    };
    ipnet::IpNet::new(address, length)
        .ok()
        .map(|network| network.trunc())
}

/// Those near the one wanted: that hold it or that it holds, then that it is a slip or two away from; three at most.
pub(super) fn near<'n, N>(wanted: &str, names: N) -> Vec<String>
where
    N: Iterator<Item = &'n str> + Clone,
{
    let folded = query::fold(wanted);
    let holds = |name: &&str| {
        let name = query::fold(name);
        let (short, long) = if name.len() < folded.len() {
            (&name, &folded)
        } else {
            (&folded, &name)
        };
        short.chars().count() >= 3 && long.contains(&**short)
    };
    let slip = query::nearest(wanted, names.clone());
    let mut near: Vec<String> = Vec::new();
    for name in slip.into_iter().chain(names.filter(holds)) {
        if near.len() < NEAR_MAX && !near.iter().any(|known| known == name) {
            near.push(name.to_owned());
        }
    }
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_are_slips_and_parts() {
        let names = ["admin", "administrator", "root", "www-data"];
        assert_eq!(near("amdin", names.into_iter()), ["admin"]);
        assert_eq!(near("data", names.into_iter()), ["www-data"]);
        assert_eq!(near("admin2", names.into_iter()), ["admin"]);
        assert_eq!(near("zzz", names.into_iter()), [] as [&str; 0]);
    }

    #[test]
    fn neighbours_of_an_address_are_in_its_network() {
        let around = |text: &str| {
            network_around(text.parse().expect("an address")).map(|network| network.to_string())
        };
        assert_eq!(around("10.1.2.3").as_deref(), Some("10.1.2.0/24"));
        assert_eq!(around("2001:db8::7").as_deref(), Some("2001:db8::/64"));
    }
}
