//! What queries can use beyond the events: templates, tables of the site's own, what is known of addresses.
//!
//! A table is a CSV file with a heading, `NAME.csv` in the folder `lookups` of the content. Its first column is the key:
//! texts, addresses or networks. It is read at its first use and again when it has changed.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use event::{Clock, Event, Value};
use ipnet::IpNet;
use parse::{Extractor, GEO_FACTS, Geo};
use query::{Enrich, Resources};

/// The largest file that is read, in bytes: a million lines.
const FILE_BYTES_MAX: u64 = 128 << 20;
/// Under this name there is what the databases of addresses say.
const GEO: &str = "geo";

/// What queries can use beyond the events.
#[derive(Debug)]
pub struct Lookups {
    folder: PathBuf,
    geo: Arc<Geo>,
    clock: Arc<dyn Clock>,
    tables: Mutex<BTreeMap<String, Read>>,
}

/// A table, and the file's state when it was read.
#[derive(Debug)]
struct Read {
    changed: SystemTime,
    bytes: u64,
    table: Arc<Table>,
}

impl Lookups {
    /// Tables from that folder, which need not exist.
    #[must_use]
    pub fn new(folder: PathBuf, geo: Arc<Geo>, clock: Arc<dyn Clock>) -> Self {
        Self {
            folder,
            geo,
            clock,
            tables: Mutex::default(),
        }
    }

    fn table(&self, name: &str) -> Result<Arc<Table>, String> {
        let path = self.folder.join(format!("{name}.csv"));
        let about =
            fs::metadata(&path).map_err(|error| format!("{name}.csv cannot be read: {error}"))?;
        let changed = about.modified().map_err(|error| error.to_string())?;
        if about.len() > FILE_BYTES_MAX {
            return Err(format!(
                "{name}.csv has more than {} MiB",
                FILE_BYTES_MAX >> 20
            ));
        }
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = tables.get(name)
            && (read.changed, read.bytes) == (changed, about.len())
        {
            return Ok(Arc::clone(&read.table));
        }
        let table = Table::read(name, &path)
            .map_err(|error| format!("{name}.csv cannot be read: {error}"))?;
        let table = Arc::new(table);
        let read = Read {
            changed,
            bytes: about.len(),
            table: Arc::clone(&table),
        };
        tables.insert(name.to_owned(), read);
        Ok(table)
    }
}

impl Resources for Lookups {
    fn template(&self, text: &str) -> Result<Arc<dyn Enrich>, String> {
        let extractor = Extractor::new(text, self.clock.now())?;
        Ok(Arc::new(Template(extractor)))
    }

    fn lookup(&self, name: &str) -> Result<Arc<dyn Enrich>, String> {
        // What is asked for becomes no path but a plain name.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(format!("«{name}» is no name of a table"));
        }
        if name == GEO {
            return Ok(Arc::new(Places {
                geo: Arc::clone(&self.geo),
                clock: Arc::clone(&self.clock),
            }));
        }
        Ok(self.table(name)?)
    }

    fn lookups(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some(name.strip_suffix(".csv")?.to_owned())
        });
        let mut names: Vec<String> = names.chain([GEO.to_owned()]).collect();
        names.sort();
        names
    }
}

/// A template written into a query.
#[derive(Debug)]
struct Template(Extractor);

impl Enrich for Template {
    fn names(&self) -> Vec<String> {
        self.0.names().map(str::to_owned).collect()
    }

    fn enrich(&self, value: Value<'_>, found: &mut Event) {
        self.0.extract(&value.to_text(), found);
    }
}

/// What the databases say of an address.
#[derive(Debug)]
struct Places {
    geo: Arc<Geo>,
    clock: Arc<dyn Clock>,
}

impl Enrich for Places {
    fn names(&self) -> Vec<String> {
        GEO_FACTS
            .iter()
            .map(|fact| format!("{GEO}.{fact}"))
            .collect()
    }

    fn enrich(&self, value: Value<'_>, found: &mut Event) {
        let Some(address) = address(value) else {
            return;
        };
        self.geo
            .facts(self.clock.now(), address, &mut |fact, value| {
                let name = GEO_FACTS.get(fact).map(|fact| format!("{GEO}.{fact}"));
                if let Some(name) = name.filter(|name| found.values_named(name).next().is_none()) {
                    found.push_named(&name, value);
                }
            });
    }
}

fn address(value: Value<'_>) -> Option<IpAddr> {
    match value {
        Value::Address(address) => Some(address),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// A file in memory.
#[derive(Debug, Default)]
struct Table {
    /// The names of all columns, under that of the table.
    names: Vec<String>,
    rows: Vec<Box<[Box<str>]>>,
    /// Rows by their key in lower case.
    by_text: HashMap<Box<str>, usize>,
    /// Rows by network; the longest prefixes first.
    by_network: BTreeMap<std::cmp::Reverse<u8>, HashMap<IpNet, usize>>,
}

impl Table {
    fn read(name: &str, path: &Path) -> Result<Self, csv::Error> {
        let file = File::open(path)?.take(FILE_BYTES_MAX);
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
        let mut table = Self::default();
        for column in reader.byte_headers()? {
            let column = String::from_utf8_lossy(column);
            // Spreadsheets put a byte order mark before the first.
            let column = column.trim_start_matches('\u{feff}').trim();
            table.names.push(format!("{name}.{column}"));
        }
        for record in reader.byte_records() {
            let record = record?;
            let cells = record
                .iter()
                .map(|cell| String::from_utf8_lossy(cell).trim().into());
            table.add(cells.collect());
        }
        Ok(table)
    }

    /// Adds a row; of several with the same key the first counts.
    fn add(&mut self, cells: Box<[Box<str>]>) {
        let Some(key) = cells.first() else {
            return;
        };
        let place = self.rows.len();
        match key.parse::<IpNet>() {
            Ok(network) => {
                let length = std::cmp::Reverse(network.prefix_len());
                let of_length = self.by_network.entry(length).or_default();
                of_length.entry(network.trunc()).or_insert(place);
            }
            Err(_) => {
                let key = query::lower(&canonical(key)).into();
                self.by_text.entry(key).or_insert(place);
            }
        }
        self.rows.push(cells);
    }

    fn find(&self, value: Value<'_>) -> Option<&[Box<str>]> {
        let text = value.to_text();
        let by_text = self.by_text.get(&*query::lower(&canonical(&text)));
        let by_network = || {
            let address = address(value)?;
            self.by_network.iter().find_map(|(length, networks)| {
                let network = IpNet::new(address, length.0).ok()?.trunc();
                networks.get(&network)
            })
        };
        let place = by_text.or_else(by_network)?;
        self.rows.get(*place).map(|row| &**row)
    }
}

/// An address in its usual form; other texts as they are.
fn canonical(text: &str) -> String {
    let address = text.parse::<IpAddr>();
    address.map_or_else(
        |_| text.to_owned(),
        |address| address.to_canonical().to_string(),
    )
}

impl Enrich for Table {
    fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    fn enrich(&self, value: Value<'_>, found: &mut Event) {
        let cells = self.find(value).unwrap_or_default();
        for (name, cell) in self.names.iter().zip(cells) {
            found.push_named(name, &**cell);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_found_by_text_address_and_network() {
        let folder = tempfile::tempdir().unwrap();
        let file = "\u{feff}ip,owner,unit\n192.0.2.1,An,\"Phòng, CNTT\"\n192.0.2.0/24,Binh,\n2001:db8::/32,Chi,x\n0.0.0.0/0,all,y\nMay-Chu-05,Dung,z\n192.0.2.1,second,\n";
        fs::write(folder.path().join("assets.csv"), file).unwrap();
        let clock = Arc::new(event::SystemClock::new());
        let lookups = Lookups::new(folder.path().to_owned(), Arc::default(), clock);
        assert_eq!(lookups.lookups(), ["assets", "geo"]);
        let table = lookups.lookup("assets").unwrap();
        assert_eq!(table.names(), ["assets.ip", "assets.owner", "assets.unit"]);
        let check = |value: Value<'_>, owner: Option<&str>| {
            let mut found = Event::default();
            table.enrich(value, &mut found);
            let owners = found
                .values_named("assets.owner")
                .map(|owner| owner.to_text().into_owned());
            assert_eq!(
                owners.collect::<Vec<_>>(),
                owner.into_iter().collect::<Vec<_>>(),
                "{value:?}"
            );
        };
        check(Value::Address("192.0.2.1".parse().unwrap()), Some("An"));
        check(Value::Text("192.0.2.1"), Some("An"));
        check(Value::Text("192.0.2.9"), Some("Binh"));
        check(Value::Text("198.51.100.1"), Some("all"));
        check(Value::Text("2001:db8::7"), Some("Chi"));
        check(Value::Text("2001:db9::7"), None);
        check(Value::Text("may-chu-05"), Some("Dung"));
        check(Value::Text("none"), None);
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_path_is_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let clock = Arc::new(event::SystemClock::new());
        let lookups = Lookups::new(folder.path().to_owned(), Arc::default(), clock);
        assert!(
            lookups
                .lookup("a")
                .unwrap_err()
                .contains("a.csv cannot be read")
        );
        fs::write(&path, "k,v\n").unwrap();
        assert_eq!(lookups.lookup("a").unwrap().names(), ["a.k", "a.v"]);
        fs::write(&path, "k,v,w\n").unwrap();
        assert_eq!(lookups.lookup("a").unwrap().names(), ["a.k", "a.v", "a.w"]);
        for name in ["", "../a", "a/b", "a.csv", "ä"] {
            assert!(
                lookups.lookup(name).unwrap_err().contains("no name"),
                "{name}"
            );
        }
    }
}
