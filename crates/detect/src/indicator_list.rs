//! Lists of addresses, networks, domains, hashes and URLs that are looked out for: files of the site, a million entries
//! at the cost of a few.
//!
//! A list is a file in `CONTENT/lists/`, named by its name: `NAME.txt` with an entry a line, or `NAME.csv` with a head
//! that names a column `value` and, if there are any, `expires` (a day, `2027-01-31`: the entry holds through it) and
//! `note`. Lines that begin with `#` and empty ones are passed over. What an entry is, is seen from its form.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event::{Micros, Value};
use sha2::{Digest as _, Sha256};

use crate::load::RuleProblem;

/// The longest line, in bytes; and how many entries a list has at most.
const LINE_BYTES_MAX: u64 = 8 << 10;
const ENTRIES_MAX: usize = 5_000_000;
/// Mistakes of one file that are told.
const MISTAKES_TOLD: usize = 5;

/// A list, read.
#[derive(Debug, Default)]
pub(crate) struct IndicatorList {
    addresses: Expiring<IpAddr>,
    /// By the number of leading bits, those of an IPv4 network as of its IPv6 form.
    networks: HashMap<u8, Expiring<u128>, ahash::RandomState>,
    /// Each stands for itself and all below it.
    domains: Expiring<Box<str>>,
    /// Hexadecimal, lower-case.
    hashes: Expiring<Box<str>>,
    /// Without scheme, host in lower case.
    urls: Expiring<Box<str>>,
    network_lengths: BTreeSet<u8>,
    /// Of the file's bytes.
    digest: [u8; 32],
}

/// Entries with the last microsecond at which each holds; `i64::MAX` without end.
type Expiring<K> = HashMap<K, i64, ahash::RandomState>;

/// A list and the name of its file.
#[derive(Debug)]
pub(crate) struct NamedList {
    pub(crate) name: Box<str>,
    pub(crate) list: IndicatorList,
}

impl NamedList {
    /// The values that stand in a rule itself.
    pub(crate) fn of_rule(values: &[String]) -> Result<Self, String> {
        let mut list = IndicatorList::default();
        for value in values {
            list.add(value, i64::MAX)
                .map_err(|error| format!("correlation.values: {error}"))?;
        }
        Ok(Self {
            name: "rule".into(),
            list,
        })
    }
}

/// The lists of a folder, in the order of their names; a missing folder holds none.
pub(crate) fn lists_of(folder: &Path, problems: &mut Vec<RuleProblem>) -> Vec<Arc<NamedList>> {
    let mut lists = Vec::new();
    let files = match files_of(folder) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            problems.push(problem(folder, 0, error.to_string()));
            Vec::new()
        }
    };
    for path in files {
        let Some(name) = path.file_stem().map(|name| name.to_string_lossy()) else {
            continue;
        };
        match IndicatorList::read(&path) {
            Ok((list, mistakes)) => {
                let mistakes = mistakes.into_iter();
                problems.extend(mistakes.map(|wrong| problem(&path, wrong.line, wrong.message)));
                lists.push(Arc::new(NamedList {
                    name: name.into(),
                    list,
                }));
            }
            Err(error) => problems.push(problem(&path, 0, error.to_string())),
        }
    }
    lists
}

fn files_of(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_list = path
            .extension()
            .is_some_and(|end| end == "txt" || end == "csv");
        if is_list && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn problem(path: &Path, line: usize, message: String) -> RuleProblem {
    RuleProblem {
        file: path.display().to_string(),
        line: (line > 0).then_some(line),
        message,
    }
}

/// What is wrong with a line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListMistake {
    /// The line, from 1 on; 0 for the file as a whole.
    pub(crate) line: usize,
    /// What is wrong, and what to write instead.
    pub(crate) message: String,
}

impl IndicatorList {
    /// Reads a file. What is wrong with single lines is told and passed over.
    pub(crate) fn read(path: &Path) -> io::Result<(Self, Vec<ListMistake>)> {
        let file = std::fs::File::open(path)?;
        let is_csv = path.extension().is_some_and(|end| end == "csv");
        Self::read_from(BufReader::with_capacity(1 << 20, file), is_csv)
    }

    fn read_from(mut from: impl io::BufRead, is_csv: bool) -> io::Result<(Self, Vec<ListMistake>)> {
        let mut list = Self::default();
        let mut mistakes = Vec::new();
        let mut columns: Option<Columns> = None;
        let mut hash = Sha256::new();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if (&mut from)
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut line)?
                == 0
            {
                break;
            }
            hash.update(&line);
            let text = String::from_utf8_lossy(&line);
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let added = match (&columns, is_csv) {
                (None, true) => Columns::of(text).map(|found| columns = Some(found)),
                (Some(columns), true) => list.add_row(columns, text),
                (_, false) => list.add(text, i64::MAX),
            };
            if let Err(message) = added
                && mistakes.len() < MISTAKES_TOLD
            {
                mistakes.push(ListMistake {
                    line: number,
                    message,
                });
            }
            if is_csv && columns.is_none() {
                break;
            }
            if list.len() > ENTRIES_MAX {
                let message = format!("more than {ENTRIES_MAX} entries: the rest is left out");
                mistakes.push(ListMistake {
                    line: number,
                    message,
                });
                break;
            }
        }
        list.digest = hash.finalize().into();
        Ok((list, mistakes))
    }

    /// How many entries it has, expired ones too.
    pub(crate) fn len(&self) -> usize {
        let networks: usize = self.networks.values().map(HashMap::len).sum();
        self.addresses.len() + networks + self.domains.len() + self.hashes.len() + self.urls.len()
    }

    /// SHA-256 of the file: changes with the list.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Whether the list holds the value at that time: an address also by a network, a domain by one above it, a URL also
    /// by its host.
    pub(crate) fn holds(&self, value: Value<'_>, at: Micros) -> bool {
        match value {
            Value::Address(address) => self.holds_address(address, at),
            Value::Text(text) => self.holds_text(text, at),
            _ => false,
        }
    }

    fn holds_address(&self, address: IpAddr, at: Micros) -> bool {
        let address = address.to_canonical();
        if lives(&self.addresses, &address, at) {
            return true;
        }
        let bits = bits_of(address);
        self.network_lengths.iter().any(|length| {
            let networks = self.networks.get(length);
            networks.is_some_and(|networks| lives(networks, &masked(bits, *length), at))
        })
    }

    fn holds_text(&self, text: &str, at: Micros) -> bool {
        let text = text.trim();
        if let Ok(address) = text.parse::<IpAddr>() {
            return self.holds_address(address, at);
        }
        if is_hash(text) {
            return lives(&self.hashes, text.to_ascii_lowercase().as_str(), at);
        }
        let Some((host, url)) = split_url(text) else {
            return self.holds_domain(&text.to_ascii_lowercase(), at);
        };
        lives(&self.urls, url.as_str(), at)
            || match host.parse::<IpAddr>() {
                Ok(address) => self.holds_address(address, at),
                Err(_) => self.holds_domain(&host, at),
            }
    }

    fn holds_domain(&self, domain: &str, at: Micros) -> bool {
        let mut rest = domain.trim_end_matches('.');
        loop {
            if lives(&self.domains, rest, at) {
                return true;
            }
            match rest.split_once('.') {
                Some((_, above)) => rest = above,
                None => return false,
            }
        }
    }

    fn add_row(&mut self, columns: &Columns, row: &str) -> Result<(), String> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(row.as_bytes());
        let mut cells = csv::StringRecord::new();
        let is_read = reader
            .read_record(&mut cells)
            .map_err(|error| error.to_string())?;
        let value = cells.get(columns.value).map(str::trim).unwrap_or_default();
        if !is_read || value.is_empty() {
            return Err("there is no value in its column".to_owned());
        }
        let expires = columns.expires.and_then(|column| cells.get(column));
        let expires = match expires.map(str::trim).filter(|text| !text.is_empty()) {
            Some(day) => end_of(day)?,
            None => i64::MAX,
        };
        self.add(value, expires)
    }

    fn add(&mut self, entry: &str, expires: i64) -> Result<(), String> {
        if let Ok(address) = entry.parse::<IpAddr>() {
            note(&mut self.addresses, address.to_canonical(), expires);
        } else if let Ok(network) = entry.parse::<ipnet::IpNet>() {
            let length = match network {
                ipnet::IpNet::V4(_) => network.prefix_len() + 96,
                ipnet::IpNet::V6(_) => network.prefix_len(),
            };
            let bits = masked(bits_of(network.network()), length);
            note(self.networks.entry(length).or_default(), bits, expires);
            self.network_lengths.insert(length);
        } else if is_hash(entry) {
            note(&mut self.hashes, entry.to_ascii_lowercase().into(), expires);
        } else if let Some((_, url)) = split_url(entry) {
            note(&mut self.urls, url.into(), expires);
        } else if is_domain(entry) {
            let domain = entry.trim_start_matches("*.").trim_end_matches('.');
            note(
                &mut self.domains,
                domain.to_ascii_lowercase().into(),
                expires,
            );
        } else {
            return Err(format!(
                "«{}» is no address, network, domain, hash or URL",
                entry.chars().take(60).collect::<String>()
            ));
        }
        Ok(())
    }
}

/// Where a CSV has what.
#[derive(Debug)]
struct Columns {
    value: usize,
    expires: Option<usize>,
}

impl Columns {
    fn of(head: &str) -> Result<Self, String> {
        let names: Vec<&str> = head
            .split(',')
            .map(|name| name.trim().trim_matches('"'))
            .collect();
        let place = |name: &str| {
            names
                .iter()
                .position(|known| known.eq_ignore_ascii_case(name))
        };
        let value = place("value");
        let value = value.ok_or("the first line must name the columns, one of them `value`")?;
        Ok(Self {
            value,
            expires: place("expires"),
        })
    }
}

/// Of an entry that stands twice the later end counts.
fn note<K: Eq + std::hash::Hash>(entries: &mut Expiring<K>, key: K, expires: i64) {
    let known = entries.entry(key).or_insert(expires);
    *known = expires.max(*known);
}

fn lives<K, Q>(entries: &Expiring<K>, key: &Q, at: Micros) -> bool
where
    K: Eq + std::hash::Hash + std::borrow::Borrow<Q>,
    Q: Eq + std::hash::Hash + ?Sized,
{
    entries.get(key).is_some_and(|expires| at.0 <= *expires)
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn masked(bits: u128, length: u8) -> u128 {
    match length {
        0 => 0,
        length => bits & (u128::MAX << (128 - u32::from(length.min(128)))),
    }
}

/// MD5, SHA-1, SHA-256 or SHA-512 in hexadecimal.
fn is_hash(text: &str) -> bool {
    matches!(text.len(), 32 | 40 | 64 | 128) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_domain(text: &str) -> bool {
    let text = text.trim_start_matches("*.").trim_end_matches('.');
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    text.contains('.') && text.len() <= 253 && text.split('.').all(is_label)
}

/// Host in lower case, and the URL without scheme, user and fragment; `None` where the text is no URL.
fn split_url(text: &str) -> Option<(String, String)> {
    let rest = match text.split_once("://") {
        Some((_, rest)) => rest,
        None if text.contains('/') => text,
        None => return None,
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let (host, path) = match rest.find(['/', '?']) {
        Some(end) => rest.split_at(end),
        None => (rest, ""),
    };
    let host = host
        .rsplit('@')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let name = match host.strip_prefix('[') {
        Some(literal) => literal.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    if !is_domain(name) && name.parse::<IpAddr>().is_err() {
        return None;
    }
    let path = if path == "/" { "" } else { path };
    Some((name.to_owned(), format!("{host}{path}")))
}

/// The last microsecond of a day in UTC.
fn end_of(day: &str) -> Result<i64, String> {
    let date: jiff::civil::Date = day
        .parse()
        .map_err(|_| format!("«{day}» is no day: write it as 2027-01-31"))?;
    let next = date.tomorrow().map_err(|error| error.to_string())?;
    let midnight = next
        .to_zoned(jiff::tz::TimeZone::UTC)
        .map_err(|error| error.to_string())?;
    Ok(midnight.timestamp().as_microsecond() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str, is_csv: bool) -> (IndicatorList, Vec<ListMistake>) {
        IndicatorList::read_from(text.as_bytes(), is_csv).unwrap()
    }

    const NOW: Micros = Micros(1_795_000_000_000_000);

    fn check(list: &IndicatorList, value: &str, expected: bool) {
        assert_eq!(list.holds(Value::Text(value), NOW), expected, "{value}");
    }

    #[test]
    fn an_entry_is_known_by_its_form() {
        let (list, mistakes) = list(
            "# from the centre\n203.0.113.9\n198.51.100.0/24\n2001:db8:bad::/48\nXấu.example\n*.evil.example.\n\
             D41D8CD98F00B204E9800998ECF8427E\nhttps://Drop.example/a/b.bin?x=1#part\n\nnot an indicator\n",
            false,
        );
        let told: Vec<usize> = mistakes.iter().map(|mistake| mistake.line).collect();
        assert_eq!(
            (list.len(), told.as_slice()),
            (7, [10].as_slice()),
            "{mistakes:?}"
        );
        check(&list, "203.0.113.9", true);
        check(&list, "::ffff:203.0.113.9", true);
        check(&list, "203.0.113.10", false);
        check(&list, "198.51.100.77", true);
        check(&list, "198.51.101.1", false);
        check(&list, "2001:db8:bad::1", true);
        check(&list, "2001:db8:bae::1", false);
        check(&list, "EVIL.example", true);
        check(&list, "a.b.evil.example.", true);
        check(&list, "notevil.example", false);
        check(&list, "example", false);
        check(&list, "d41d8cd98f00b204e9800998ecf8427e", true);
        check(&list, "http://drop.example/a/b.bin?x=1", true);
        check(&list, "http://drop.example/a/", false);
        check(&list, "http://x.evil.example:8080/whatever", true);
        check(&list, "http://203.0.113.9/x", true);
        let address = Value::Address("198.51.100.3".parse().unwrap());
        assert!(list.holds(address, NOW));
    }

    #[test]
    fn an_entry_holds_through_the_day_on_which_it_expires() {
        let (list, mistakes) = list(
            "note,Value,expires\n\"C2, seen twice\",203.0.113.9,2026-11-18\n,203.0.113.10,\nx,203.0.113.11,soon\n",
            true,
        );
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        let at = |text: &str| Micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
        let holds = |value, text| list.holds(Value::Text(value), at(text));
        assert!(holds("203.0.113.9", "2026-11-18T23:59:59Z"));
        assert!(!holds("203.0.113.9", "2026-11-19T00:00:00Z"));
        assert!(holds("203.0.113.10", "2099-01-01T00:00:00Z"));
    }

    #[test]
    fn a_table_without_a_column_of_values_says_so() {
        let (list, mistakes) = list("ip,note\n203.0.113.9,x\n", true);
        assert_eq!(list.len(), 0);
        assert!(mistakes[0].message.contains("`value`"), "{mistakes:?}");
    }

    #[test]
    fn a_change_of_the_file_changes_the_digest() {
        let digest = |text| *list(text, false).0.digest();
        assert_ne!(digest("203.0.113.9\n"), digest("203.0.113.10\n"));
    }
}
