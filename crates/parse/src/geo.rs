//! Where public addresses are and whose they are: databases in MaxMind's format (GeoLite2, DB-IP, IPinfo) that a site
//! puts into `content/geo/`.
//!
//! A database is in force for records received since its file was last changed, until a newer one comes; older files are
//! kept for as long as records of their time are. So a record's event stays the same whatever is added.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::UNIX_EPOCH;

use event::{Event, Field, Micros, Value};
use maxminddb::Reader;
use serde::Deserialize;

use crate::LoadError;
use crate::content::unreadable;

/// The databases, the newest first.
#[derive(Default)]
pub struct Geo {
    databases: Vec<Database>,
}

struct Database {
    /// In force for records received since.
    since: Micros,
    reader: Reader<Vec<u8>>,
}

/// What a database says of an address; each kind of database fills some of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry<'d> {
    #[serde(borrow)]
    country: Option<Country<'d>>,
    #[serde(borrow)]
    city: Option<City<'d>>,
    location: Option<Location>,
    autonomous_system_number: Option<i64>,
    autonomous_system_organization: Option<&'d str>,
    // IPinfo's names of the same.
    country_code: Option<&'d str>,
    asn: Option<&'d str>,
    as_name: Option<&'d str>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Country<'d> {
    /// IPinfo.
    Name(&'d str),
    /// MaxMind, DB-IP.
    Record {
        #[serde(borrow)]
        iso_code: Option<&'d str>,
        #[serde(borrow, default)]
        names: Names<'d>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum City<'d> {
    Name(&'d str),
    Record {
        #[serde(borrow, default)]
        names: Names<'d>,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Names<'d> {
    en: Option<&'d str>,
}

#[derive(Debug, Deserialize)]
struct Location {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

/// What is told of an address.
pub const GEO_FACTS: [&str; 6] = [
    "country_iso_code",
    "country_name",
    "city_name",
    "location",
    "as_number",
    "as_organization",
];

/// The address of one end of a connection, and the fields that tell of it, in the order of [`GEO_FACTS`].
const ENDS: [(Field, [Field; GEO_FACTS.len()]); 2] = [
    (
        Field::SOURCE_IP,
        [
            Field::SOURCE_GEO_COUNTRY_ISO_CODE,
            Field::SOURCE_GEO_COUNTRY_NAME,
            Field::SOURCE_GEO_CITY_NAME,
            Field::SOURCE_GEO_LOCATION,
            Field::SOURCE_AS_NUMBER,
            Field::SOURCE_AS_ORGANIZATION_NAME,
        ],
    ),
    (
        Field::DESTINATION_IP,
        [
            Field::DESTINATION_GEO_COUNTRY_ISO_CODE,
            Field::DESTINATION_GEO_COUNTRY_NAME,
            Field::DESTINATION_GEO_CITY_NAME,
            Field::DESTINATION_GEO_LOCATION,
            Field::DESTINATION_AS_NUMBER,
            Field::DESTINATION_AS_ORGANIZATION_NAME,
        ],
    ),
];

impl Geo {
    /// Opens every `*.mmdb` of the folder. A folder that does not exist has none.
    ///
    /// # Errors
    /// When a file cannot be read or is no such database.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(unreadable(folder, error)),
        };
        let mut databases = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| unreadable(folder, error))?.path();
            if path.extension().is_none_or(|extension| extension != "mmdb") {
                continue;
            }
            let changed = fs::metadata(&path).and_then(|metadata| metadata.modified());
            let changed = changed.map_err(|error| unreadable(&path, error))?;
            let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
            let reader = Reader::open_readfile(&path)
                .map_err(|error| unreadable(&path, std::io::Error::other(error)))?;
            databases.push(Database {
                since: Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
                reader,
            });
        }
        databases.sort_by_key(|database| std::cmp::Reverse(database.since));
        Ok(Self { databases })
    }

    /// Whether there is no database.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.databases.is_empty()
    }

    /// Gives `put` the facts of an address by the databases in force at that time, each by its place in [`GEO_FACTS`];
    /// of several databases the newest comes first.
    pub fn facts(&self, at: Micros, address: IpAddr, put: &mut dyn FnMut(usize, Value<'_>)) {
        if !is_public(address) {
            return;
        }
        let in_force = self.databases.iter();
        for database in in_force.filter(|database| database.since <= at) {
            // A damaged place of a database says nothing of the addresses in it.
            let Ok(Some(entry)) = database
                .reader
                .lookup(address)
                .and_then(|found| found.decode::<Entry<'_>>())
            else {
                continue;
            };
            let location = entry.location();
            let facts = [
                entry.country_iso_code().map(Value::Text),
                entry.country_name().map(Value::Text),
                entry.city_name().map(Value::Text),
                location.as_deref().map(Value::Text),
                entry.as_number().map(Value::Integer),
                entry.as_organization().map(Value::Text),
            ];
            for (fact, value) in facts.into_iter().enumerate() {
                if let Some(value) = value {
                    put(fact, value);
                }
            }
        }
    }

    /// Adds what is known of the event's two ends, where its definition has not said it.
    pub(crate) fn write(&self, received_at: Micros, event: &mut Event) {
        for (ip, fields) in &ENDS {
            if let Some(Value::Address(address)) = event.get(*ip) {
                self.facts(received_at, address, &mut |fact, value| {
                    if let Some(field) = fields.get(fact).filter(|field| !event.has(**field)) {
                        event.append(*field, value);
                    }
                });
            }
        }
    }
}

impl<'d> Entry<'d> {
    fn country_iso_code(&self) -> Option<&'d str> {
        match &self.country {
            Some(Country::Record { iso_code, .. }) => *iso_code,
            Some(Country::Name(_)) | None => self.country_code,
        }
    }

    fn country_name(&self) -> Option<&'d str> {
        match &self.country {
            Some(Country::Record { names, .. }) => names.en,
            Some(Country::Name(name)) => Some(name),
            None => None,
        }
    }

    fn city_name(&self) -> Option<&'d str> {
        match &self.city {
            Some(City::Record { names }) => names.en,
            Some(City::Name(name)) => Some(name),
            None => None,
        }
    }

    /// `latitude,longitude`, as ECS writes a geo point in text.
    fn location(&self) -> Option<String> {
        let location = self.location.as_ref()?;
        let (latitude, longitude) = (location.latitude?, location.longitude?);
        Some(format!("{latitude},{longitude}"))
    }

    fn as_number(&self) -> Option<i64> {
        let named = || self.asn?.trim_start_matches("AS").parse().ok();
        self.autonomous_system_number.or_else(named)
    }

    fn as_organization(&self) -> Option<&'d str> {
        self.autonomous_system_organization.or(self.as_name)
    }
}

/// Whether anybody outside can have the address: of the others no database knows anything.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared = u32::from(v4) >> 22 == 0x6440_0000 >> 22;
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || shared)
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local())
        }
    }
}

impl std::fmt::Debug for Geo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let types = self.databases.iter().map(|database| {
            let metadata = database.reader.metadata();
            (metadata.database_type.as_str(), database.since)
        });
        f.debug_list().entries(types).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use bytes::Bytes;
    use event::Seq;

    use super::*;

    /// A value of the format (<https://maxmind.github.io/MaxMind-DB/>).
    enum Data<'d> {
        Text(&'d str),
        Short(u16),
        Number(u32),
        Long(u64),
        Float(f64),
        Map(&'d [(&'d str, Self)]),
        NoList,
    }

    fn encode(data: &Data<'_>, out: &mut Vec<u8>) {
        let size = |len: usize| u8::try_from(len).expect("short");
        match data {
            Data::Text(text) => {
                // Longer texts take a second byte for their length.
                if text.len() < 29 {
                    out.push(2 << 5 | size(text.len()));
                } else {
                    out.extend([2 << 5 | 29, size(text.len() - 29)]);
                }
                out.extend(text.bytes());
            }
            Data::Short(number) => {
                out.push(5 << 5 | 2);
                out.extend(number.to_be_bytes());
            }
            Data::Number(number) => {
                out.push(6 << 5 | 4);
                out.extend(number.to_be_bytes());
            }
            Data::Long(number) => {
                // The second byte makes the type 7 + 2.
                out.extend([8, 2]);
                out.extend(number.to_be_bytes());
            }
            Data::Float(number) => {
                out.push(3 << 5 | 8);
                out.extend(number.to_be_bytes());
            }
            // The second byte makes the type 7 + 4.
            Data::NoList => out.extend([0, 4]),
            Data::Map(entries) => {
                out.push(7 << 5 | size(entries.len()));
                for (key, value) in *entries {
                    encode(&Data::Text(key), out);
                    encode(value, out);
                }
            }
        }
    }

    /// A database that knows one IPv4 network of 8 bits.
    fn database(first_byte: u8, data: &Data<'_>) -> Vec<u8> {
        const NODES: u32 = 8;
        let mut file = Vec::new();
        for node in 0..NODES {
            let bit = first_byte >> (7 - node) & 1;
            // Behind the nodes and 16 bytes of zeros the data begin.
            let next = if node + 1 == NODES {
                NODES + 16
            } else {
                node + 1
            };
            let (left, right) = if bit == 0 {
                (next, NODES)
            } else {
                (NODES, next)
            };
            for record in [left, right] {
                file.extend(&record.to_be_bytes()[1..]);
            }
        }
        file.extend([0; 16]);
        encode(data, &mut file);
        file.extend(b"\xab\xcd\xefMaxMind.com");
        let metadata = Data::Map(&[
            ("binary_format_major_version", Data::Short(2)),
            ("binary_format_minor_version", Data::Short(0)),
            ("build_epoch", Data::Long(1_790_000_000)),
            ("database_type", Data::Text("Test")),
            ("description", Data::Map(&[])),
            ("ip_version", Data::Short(4)),
            ("languages", Data::NoList),
            ("node_count", Data::Number(NODES)),
            ("record_size", Data::Short(24)),
        ]);
        encode(&metadata, &mut file);
        file
    }

    fn put(folder: &Path, name: &str, changed_s: u64, database: &[u8]) {
        let path = folder.join(name);
        fs::write(&path, database).unwrap();
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(changed_s);
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(changed).unwrap();
    }

    fn located(geo: &Geo, received_s: i64, address: &str) -> Vec<String> {
        let mut event = Event::new(Seq(1), Bytes::new());
        event.set(Field::SOURCE_IP, address.parse::<IpAddr>().unwrap());
        geo.write(Micros(received_s * Micros::PER_SECOND), &mut event);
        let fields = [
            Field::SOURCE_GEO_COUNTRY_ISO_CODE,
            Field::SOURCE_GEO_COUNTRY_NAME,
            Field::SOURCE_GEO_CITY_NAME,
            Field::SOURCE_GEO_LOCATION,
            Field::SOURCE_AS_NUMBER,
            Field::SOURCE_AS_ORGANIZATION_NAME,
        ];
        let values = fields.iter().filter_map(|field| event.get(*field));
        values.map(|value| value.to_text().into_owned()).collect()
    }

    fn place(code: &str) -> Vec<u8> {
        database(
            203,
            &Data::Map(&[
                (
                    "country",
                    Data::Map(&[
                        ("iso_code", Data::Text(code)),
                        ("names", Data::Map(&[("en", Data::Text("Vietnam"))])),
                    ]),
                ),
                (
                    "city",
                    Data::Map(&[("names", Data::Map(&[("en", Data::Text("My Tho"))]))]),
                ),
                (
                    "location",
                    Data::Map(&[
                        ("latitude", Data::Float(10.5)),
                        ("longitude", Data::Float(106.25)),
                    ]),
                ),
            ]),
        )
    }

    #[test]
    fn an_address_gets_its_place_and_its_network() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "city.mmdb", 100, &place("VN"));
        let network = database(
            203,
            &Data::Map(&[
                ("autonomous_system_number", Data::Number(64_500)),
                ("autonomous_system_organization", Data::Text("An ISP")),
            ]),
        );
        put(folder.path(), "asn.mmdb", 200, &network);
        put(folder.path(), "notes.txt", 200, b"not read");
        let geo = Geo::load(folder.path()).unwrap();
        assert_eq!(
            located(&geo, 300, "203.0.113.7"),
            ["VN", "Vietnam", "My Tho", "10.5,106.25", "64500", "An ISP"]
        );
        assert_eq!(located(&geo, 300, "198.51.100.7"), [""; 0]);
        assert_eq!(located(&geo, 300, "2001:db8::1"), [""; 0]);
    }

    #[test]
    fn a_database_is_in_force_from_its_file_to_the_next() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a.mmdb", 100, &place("AA"));
        put(folder.path(), "b.mmdb", 200, &place("BB"));
        let geo = Geo::load(folder.path()).unwrap();
        let code = |received_s| located(&geo, received_s, "203.0.113.7").first().cloned();
        assert_eq!(code(99), None);
        assert_eq!(code(100).as_deref(), Some("AA"));
        assert_eq!(code(199).as_deref(), Some("AA"));
        assert_eq!(code(200).as_deref(), Some("BB"));
    }

    #[test]
    fn flat_databases_are_read_too() {
        let folder = tempfile::tempdir().unwrap();
        let flat = database(
            203,
            &Data::Map(&[
                ("country", Data::Text("Vietnam")),
                ("country_code", Data::Text("VN")),
                ("asn", Data::Text("AS64500")),
                ("as_name", Data::Text("An ISP")),
            ]),
        );
        put(folder.path(), "lite.mmdb", 100, &flat);
        let geo = Geo::load(folder.path()).unwrap();
        assert_eq!(
            located(&geo, 300, "203.0.113.7"),
            ["VN", "Vietnam", "64500", "An ISP"]
        );
    }

    #[test]
    fn what_is_no_database_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Geo::load(&folder.path().join("none")).unwrap().is_empty());
        put(folder.path(), "broken.mmdb", 100, b"not a database");
        let error = Geo::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("broken.mmdb"), "{error}");
    }

    #[test]
    fn addresses_of_the_inside_are_not_looked_up() {
        for inside in [
            "10.1.2.3",
            "192.168.1.1",
            "100.64.0.1",
            "127.0.0.1",
            "fe80::1",
            "fd00::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        assert!(is_public("100.128.0.1".parse().unwrap()));
        assert!(is_public("2001:db8::1".parse().unwrap()));
    }
}
