//! Whole terms of a text that are longer than a token: addresses, paths, host names, hashes.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::fold;

/// What a [`Term`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TermKind {
    /// An IPv4, IPv6 or hardware address.
    Address,
    /// A path with at least one separator, of a file or of a URL.
    Path,
    /// A name with at least one dot.
    Host,
    /// 32 hexadecimal digits or more.
    Hash,
}

/// A term longer than a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term<'a> {
    /// What it is.
    pub kind: TermKind,
    /// Its text in the form in which it is compared: folded, an address canonical.
    pub text: Cow<'a, str>,
}

/// The longest term, in bytes of text; longer runs are no terms.
const TERM_BYTES_MAX: usize = 256;

/// The whole terms of a text: runs without spaces, quotes and brackets, cut at `=`, `,`, `;`, `|`, and inside these the
/// addresses. Linear time.
///
/// ```
/// use query::{TermKind, terms};
///
/// let found: Vec<_> = terms("Deny tcp src inside:10.0.0.5/4711 by fw1.example.vn").map(|term| (term.kind, term.text)).collect();
/// assert!(found.contains(&(TermKind::Address, "10.0.0.5".into())));
/// assert!(found.contains(&(TermKind::Host, "fw1.example.vn".into())));
/// ```
pub fn terms(text: &str) -> impl Iterator<Item = Term<'_>> {
    let whole = text
        .split(|c: char| c.is_whitespace() || ends_run(c))
        .filter_map(whole_term);
    addresses(text).map(address_term).chain(whole)
}

/// The addresses of a text, in the form in which they are compared.
pub(crate) fn addresses(text: &str) -> Addresses<'_> {
    Addresses {
        rest: text,
        before: None,
    }
}

fn address_term(text: Cow<'_, str>) -> Term<'_> {
    Term {
        kind: TermKind::Address,
        text,
    }
}

fn ends_run(c: char) -> bool {
    matches!(
        c,
        '"' | '\''
            | '`'
            | '<'
            | '>'
            | '('
            | ')'
            | '['
            | ']'
            | '{'
            | '}'
            | '='
            | ','
            | ';'
            | '|'
            | '?'
            | '#'
            | '&'
    )
}

fn whole_term(run: &str) -> Option<Term<'_>> {
    let run = run.trim_end_matches(['.', ':', '!']);
    if run.len() < 3 || run.len() > TERM_BYTES_MAX {
        return None;
    }
    let kind = kind_of(run)?;
    Some(Term {
        kind,
        text: fold(run),
    })
}

fn kind_of(run: &str) -> Option<TermKind> {
    if run.len() >= 32 && run.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(TermKind::Hash);
    }
    if run.contains(['/', '\\']) {
        return Some(TermKind::Path);
    }
    let labelled = run
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    let named = run.bytes().any(|byte| byte.is_ascii_alphabetic());
    (labelled && named && run.contains('.')).then_some(TermKind::Host)
}

/// What [`addresses`] gives: each maximal run of hexadecimal digits, `.`, `:` and `-`, and the address in it.
pub(crate) struct Addresses<'a> {
    rest: &'a str,
    /// The character before `rest`.
    before: Option<char>,
}

impl<'a> Iterator for Addresses<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let start = self.rest.find(in_address).unwrap_or(self.rest.len());
            let (skipped, rest) = self.rest.split_at_checked(start)?;
            let before = skipped.chars().next_back().or(self.before);
            let end = rest.find(|c| !in_address(c)).unwrap_or(rest.len());
            let (run, rest) = rest.split_at_checked(end)?;
            self.rest = rest;
            self.before = run.chars().next_back().or(before);
            if let Some(address) = unglued(run, before, rest.chars().next()).and_then(address_in) {
                return Some(address);
            }
        }
    }
}

fn in_address(c: char) -> bool {
    c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '-')
}

/// The run without the pieces at its ends that are parts of words: `inside:10.0.0.5` was seen as `de:10.0.0.5`.
fn unglued(run: &str, before: Option<char>, after: Option<char>) -> Option<&str> {
    let mut run = run;
    if before.is_some_and(char::is_alphanumeric) {
        run = run.split_once([':', '-'])?.1;
    }
    if after.is_some_and(char::is_alphanumeric) {
        run = run.rsplit_once([':', '-'])?.0;
    }
    Some(run.trim_matches(['.', '-']))
}

/// The address that is the run, or a part of it between `:` or `-`.
fn address_in(run: &str) -> Option<Cow<'_, str>> {
    if run.len() < 3 || run.len() > 64 {
        return None;
    }
    whole_address(run).or_else(|| run.split([':', '-']).find_map(v4))
}

fn whole_address(run: &str) -> Option<Cow<'_, str>> {
    if run.bytes().filter(|&byte| byte == b':').count() >= 2 {
        let run = run
            .strip_suffix(':')
            .filter(|run| !run.ends_with(':'))
            .unwrap_or(run);
        if let Some(address) = run.parse::<Ipv6Addr>().ok().filter(|_| run.len() > 2) {
            return Some(Cow::Owned(IpAddr::V6(address).to_canonical().to_string()));
        }
    }
    hardware(run).or_else(|| v4(run))
}

/// Whether the whole text is an IPv6 or hardware address.
pub(crate) fn is_address_with_colons(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok() || hardware(text).is_some()
}

fn v4(run: &str) -> Option<Cow<'_, str>> {
    let run = run.trim_end_matches('.');
    run.parse::<Ipv4Addr>()
        .is_ok()
        .then_some(Cow::Borrowed(run))
}

/// Six pairs of hexadecimal digits, joined by `:` or `-`.
fn hardware(run: &str) -> Option<Cow<'_, str>> {
    let pairs = run.len() == 17
        && run.bytes().enumerate().all(|(at, byte)| match at % 3 {
            2 => byte == b':' || byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    pairs.then(|| fold(run))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_found_whole_whatever_stands_beside_it() {
        let check = |text: &str, expected: &[&str]| {
            let found: Vec<_> = addresses(text).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("from 10.0.0.5 port 22", &["10.0.0.5"]);
        check(
            "src inside:10.0.0.5/80 dst outside:192.0.2.1/443",
            &["10.0.0.5", "192.0.2.1"],
        );
        check(
            "10.0.0.5:443, (192.0.2.7). 10.0.0.1-host",
            &["10.0.0.5", "192.0.2.7", "10.0.0.1"],
        );
        check(
            "srcip=10.0.0.5 dstip=\"192.0.2.1\"",
            &["10.0.0.5", "192.0.2.1"],
        );
        check("1.2.3.4.5 10.0.0 300.1.1.1 22:14:15 2026-10-11", &[]);
        check(
            "[2001:DB8::1]:514 fe80:0:0:0:0:0:0:1%eth0",
            &["2001:db8::1", "fe80::1"],
        );
        check("::ffff:10.0.0.9 std::string a:b ::", &["10.0.0.9"]);
        check(
            "00:1A:2B:3c:4d:5e 00-1a-2b-3c-4d-5e",
            &["00:1a:2b:3c:4d:5e", "00-1a-2b-3c-4d-5e"],
        );
        check("2001:db8::1: message", &["2001:db8::1"]);
    }

    #[test]
    fn paths_hosts_and_hashes_are_terms() {
        let check = |text: &str, expected: &[(TermKind, &str)]| {
            let found: Vec<_> = terms(text).collect();
            let found: Vec<_> = found.iter().map(|term| (term.kind, &*term.text)).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("open /Etc/passwd.", &[(TermKind::Path, "/etc/passwd")]);
        check("\"GET /a/b?x=1\"", &[(TermKind::Path, "/a/b")]);
        check("to FW1.example.vn:", &[(TermKind::Host, "fw1.example.vn")]);
        check(
            "sha=D41D8CD98F00B204E9800998ECF8427E",
            &[(TermKind::Hash, "d41d8cd98f00b204e9800998ecf8427e")],
        );
    }

    proptest! {
        #[test]
        fn every_text_has_terms_without_a_panic(text in "\\PC{0,60}|[0-9a-f:.\\-/ ]{0,60}") {
            for term in terms(&text) {
                prop_assert!(!term.text.is_empty());
            }
        }

        #[test]
        fn every_address_between_separators_is_found(bytes in any::<[u8; 16]>(), v4 in any::<[u8; 4]>()) {
            for address in [IpAddr::from(bytes), IpAddr::from(v4)] {
                let address = address.to_canonical().to_string();
                let text = format!("x src={address} y");
                prop_assert!(addresses(&text).any(|found| found == address.as_str()), "{}", text);
            }
        }
    }
}
