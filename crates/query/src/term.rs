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

/// The fewest digits of a hash: those of MD5.
const HASH_DIGITS_MIN: usize = 32;

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
    let addresses = addresses(text).map(|text| Term {
        kind: TermKind::Address,
        text,
    });
    let whole = Runs::new(text, &WHOLE);
    addresses.chain(whole.filter_map(|run| whole_term(run.text)))
}

/// The addresses of a text, in the form of a [`Term`]: those that a [`Phrase`](crate::Phrase) asks for.
pub fn addresses(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    Runs::new(text, &ADDRESS)
        .filter(|run| run.marks >= 2)
        .filter_map(move |run| unglued(run, text).and_then(address_in))
}

/// What each byte is to [`Runs`]: 0 between runs, 1 in a run, 2 a mark in a run.
type Sorts = [u8; 256];

/// Runs in which an address may be; marks join its parts.
static ADDRESS: Sorts = sorts(b"0123456789abcdefABCDEF", 0, b".:-");

/// Runs that may be paths, hosts or hashes; marks tell them from words.
static WHOLE: Sorts = sorts(b" \t\n\r\x0b\x0c\"'`<>()[]{}=,;|?#&", 1, b"./\\");

/// `others` is what bytes are that are neither listed nor marks.
#[expect(
    clippy::indexing_slicing,
    reason = "run by the compiler, which stops at an index out of bounds"
)]
const fn sorts(listed: &[u8], others: u8, marks: &[u8]) -> Sorts {
    let mut sorts = [others; 256];
    let mut at = 0;
    while at < listed.len() {
        sorts[listed[at] as usize] = 1 - others;
        at += 1;
    }
    at = 0;
    while at < marks.len() {
        sorts[marks[at] as usize] = 2;
        at += 1;
    }
    sorts
}

/// Maximal runs of bytes of one sort, and how many of them are marks. Runs begin and end beside ASCII.
struct Runs<'a> {
    text: &'a str,
    at: usize,
    sorts: &'static Sorts,
}

#[derive(Clone, Copy)]
struct Run<'a> {
    text: &'a str,
    start: usize,
    marks: usize,
}

impl<'a> Runs<'a> {
    fn new(text: &'a str, sorts: &'static Sorts) -> Self {
        Self { text, at: 0, sorts }
    }

    fn sort(&self, byte: u8) -> u8 {
        self.sorts
            .get(usize::from(byte))
            .copied()
            .unwrap_or_default()
    }
}

impl<'a> Iterator for Runs<'a> {
    type Item = Run<'a>;

    /// The next run with a mark, or long enough to be a hash.
    fn next(&mut self) -> Option<Run<'a>> {
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            let start = self.at + rest.iter().position(|&byte| self.sort(byte) != 0)?;
            let mut marks = 0;
            let mut end = start;
            for &byte in self.text.as_bytes().get(start..)? {
                let sort = self.sort(byte);
                if sort == 0 {
                    break;
                }
                marks += usize::from(sort == 2);
                end += 1;
            }
            self.at = end;
            if marks > 0 || end - start >= HASH_DIGITS_MIN {
                let text = self.text.get(start..end)?;
                return Some(Run { text, start, marks });
            }
        }
    }
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
    if run.len() >= HASH_DIGITS_MIN && run.bytes().all(|byte| byte.is_ascii_hexdigit()) {
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

/// The run without the pieces at its ends that are parts of words: `inside:10.0.0.5` was seen as `de:10.0.0.5`.
fn unglued<'a>(run: Run<'a>, text: &str) -> Option<&'a str> {
    let is_glued = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let (start, end) = (run.start, run.start + run.text.len());
    let mut run = run.text;
    if is_glued(text.get(..start)?.chars().next_back()) {
        run = run.split_once([':', '-'])?.1;
    }
    if is_glued(text.get(end..)?.chars().next()) {
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
