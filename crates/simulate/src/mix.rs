//! The everyday traffic of a small agency.

use std::fmt::Write as _;

use event::Micros;

use crate::random::Random;
use crate::stamp::Stamp;

/// Who sends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Device {
    /// The FortiGate at the edge.
    Fortigate,
    /// The Cisco ASA before the data centre.
    Asa,
    /// A Linux server, by number from 1 to [`Device::SERVERS`].
    Server(u8),
    /// A web server, by number from 1 to [`Device::WEB_SERVERS`].
    Web(u8),
    /// The database server.
    Database,
}

impl Device {
    /// How many Linux servers there are.
    pub const SERVERS: u8 = 8;
    /// How many web servers there are.
    pub const WEB_SERVERS: u8 = 2;

    /// The name that it writes into its lines.
    #[must_use]
    pub fn host(self) -> String {
        match self {
            Self::Fortigate => "FGT-BIEN-01".to_owned(),
            Self::Asa => "asa-ttdl".to_owned(),
            Self::Server(number) => format!("may-chu-{number:02}"),
            Self::Web(number) => format!("cong-tt-{number:02}"),
            Self::Database => "csdl-01".to_owned(),
        }
    }

    /// The loopback address that it sends from, so that each device is a peer of its own.
    #[must_use]
    pub fn address(self) -> std::net::Ipv4Addr {
        let last = match self {
            Self::Fortigate => 1,
            Self::Asa => 2,
            Self::Server(number) => 10 + number,
            Self::Web(number) => 30 + number,
            Self::Database => 41,
        };
        std::net::Ipv4Addr::new(127, 0, 1, last)
    }

    /// The address under which the others know it inside the agency's network.
    #[must_use]
    pub fn inside(self) -> std::net::Ipv4Addr {
        std::net::Ipv4Addr::new(10, 64, 10, self.address().octets()[3])
    }
}

/// One syslog message and its sender; no line feed at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who sends it.
    pub device: Device,
    /// The message with its header.
    pub text: String,
}

/// Generates the bench mix; see the crate's head.
#[derive(Debug)]
pub struct Mix {
    random: Random,
    stamp: Stamp,
    session: u64,
}

const USERS: &[&str] = &[
    "nvan", "ttbinh", "lvcuong", "ptdung", "deploy", "backup", "giamsat", "quantri", "vhhoa",
    "nthuong", "dqkhanh", "lmlinh", "phminh", "tqnam", "ctoanh", "bvphuc",
];
const SERVICES: &[(&str, u16, u8)] = &[
    ("HTTPS", 443, 6),
    ("DNS", 53, 17),
    ("HTTP", 80, 6),
    ("SMTPS", 465, 6),
    ("IMAPS", 993, 6),
    ("NTP", 123, 17),
    ("QUIC", 443, 17),
    ("SSH", 22, 6),
];
const APPLICATIONS: &[&str] = &[
    "SSL",
    "DNS",
    "HTTP.BROWSER",
    "Zalo",
    "Google.Services",
    "NTP",
];
const COUNTRIES: &[&str] = &["Vietnam", "Singapore", "United States", "Japan", "Germany"];
const PATHS: &[&str] = &[
    "/",
    "/tin-tuc",
    "/dich-vu-cong",
    "/thu-tuc-hanh-chinh/tra-cuu",
    "/static/app.css",
    "/static/app.js",
    "/api/ho-so/trang-thai",
    "/lien-he",
    "/van-ban/quyet-dinh",
    "/favicon.ico",
];
const AGENTS: &[&str] = &[
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "Zabbix",
];

impl Mix {
    /// The traffic that belongs to the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            stamp: Stamp::default(),
            session: 1_000_000,
        }
    }

    /// The next line, stamped with that instant.
    pub fn line(&mut self, at: Micros) -> Line {
        let mut text = String::with_capacity(512);
        let device = self.write(at, &mut text);
        Line { device, text }
    }

    /// Appends the next line to `text`, for benches that make millions.
    pub fn write(&mut self, at: Micros, text: &mut String) -> Device {
        self.stamp.set(at);
        self.session += self.random.between(1, 9);
        let kind = self.random.below(10);
        let written = match kind {
            0..=3 => self.fortigate(at, text),
            4 | 5 => self.sshd(text),
            6 | 7 => self.asa(text),
            8 => self.nginx(text),
            _ => self.logind(text),
        };
        written.expect("writing into a String cannot fail")
    }

    fn inside_address(&mut self) -> [u8; 4] {
        let [_, _, third, fourth, ..] = self.random.bits().to_be_bytes();
        [10, 64, third % 16, fourth.clamp(2, 254)]
    }

    fn outside_address(&mut self) -> [u8; 4] {
        let [first, second, third, fourth, ..] = self.random.bits().to_be_bytes();
        // A few thousand addresses, most traffic going to some of them.
        [
            [203, 113, 198, 14][usize::from(first % 4)],
            second % 8,
            third % 64,
            fourth.clamp(1, 254),
        ]
    }

    fn high_port(&mut self) -> u64 {
        self.random.between(1024, 65535)
    }

    fn fortigate(&mut self, at: Micros, text: &mut String) -> Result<Device, std::fmt::Error> {
        let inside = dotted(self.inside_address());
        let outside = dotted(self.outside_address());
        let &(service, port, protocol) = self.random.skewed(SERVICES);
        let application = *self.random.skewed(APPLICATIONS);
        let country = *self.random.skewed(COUNTRIES);
        let action = if self.random.below(50) == 0 {
            "deny"
        } else {
            "close"
        };
        let (source_port, policy) = (self.high_port(), self.random.between(1, 40));
        let (duration, session) = (self.random.between(1, 300), self.session);
        let (sent, received) = (
            self.random.between(60, 90_000),
            self.random.between(0, 900_000),
        );
        write!(
            text,
            "<189>{stamp} devname=\"FGT-BIEN-01\" devid=\"FG100FTK20000001\" eventtime={nanos} tz=\"+0700\" \
             logid=\"0000000013\" type=\"traffic\" subtype=\"forward\" level=\"notice\" vd=\"root\" srcip={inside} \
             srcport={source_port} srcintf=\"lan\" srcintfrole=\"lan\" dstip={outside} dstport={port} dstintf=\"wan1\" \
             dstintfrole=\"wan\" dstcountry=\"{country}\" sessionid={session} proto={protocol} action=\"{action}\" \
             policyid={policy} service=\"{service}\" app=\"{application}\" duration={duration} sentbyte={sent} \
             rcvdbyte={received}",
            stamp = self.stamp.fortigate,
            nanos = at.0.saturating_mul(1000),
        )?;
        Ok(Device::Fortigate)
    }

    fn server(&mut self) -> u8 {
        u8::try_from(self.random.between(1, u64::from(Device::SERVERS))).unwrap_or(1)
    }

    fn sshd(&mut self, text: &mut String) -> Result<Device, std::fmt::Error> {
        let device = Device::Server(self.server());
        let (host, stamp) = (device.host(), &self.stamp.bsd);
        let user = *self.random.skewed(USERS);
        let pid = self.random.between(300, 99_999);
        write!(text, "<86>{stamp} {host} sshd[{pid}]: ")?;
        let address = dotted(self.inside_address());
        let port = self.high_port();
        match self.random.below(8) {
            0..=2 => {
                let key = self.random.bits();
                write!(
                    text,
                    "Accepted publickey for {user} from {address} port {port} ssh2: ED25519 SHA256:{key:016x}"
                )?;
            }
            3 => write!(
                text,
                "Accepted password for {user} from {address} port {port} ssh2"
            )?,
            4 => write!(text, "Connection closed by {address} port {port} [preauth]")?,
            5 => write!(
                text,
                "pam_unix(sshd:session): session closed for user {user}"
            )?,
            6 => write!(
                text,
                "Received disconnect from {address} port {port}:11: disconnected by user"
            )?,
            _ => write!(
                text,
                "pam_unix(sshd:session): session opened for user {user}(uid=10{pid:05}) by (uid=0)"
            )?,
        }
        Ok(device)
    }

    fn asa(&mut self, text: &mut String) -> Result<Device, std::fmt::Error> {
        let stamp = self.stamp.asa.clone();
        let inside = dotted(self.inside_address());
        let outside = dotted(self.outside_address());
        let (near, far) = (self.high_port(), self.random.skewed(SERVICES).1);
        let session = self.session;
        match self.random.below(10) {
            0..=3 => write!(
                text,
                "<166>{stamp} asa-ttdl : %ASA-6-302013: Built outbound TCP connection {session} for \
                 outside:{outside}/{far} ({outside}/{far}) to inside:{inside}/{near} (198.51.100.7/{near})"
            )?,
            4..=7 => {
                let (hours, minutes) = (self.random.below(2), self.random.below(60));
                let (seconds, bytes) = (self.random.below(60), self.random.between(100, 500_000));
                write!(
                    text,
                    "<166>{stamp} asa-ttdl : %ASA-6-302014: Teardown TCP connection {session} for \
                     outside:{outside}/{far} to inside:{inside}/{near} duration {hours}:{minutes:02}:{seconds:02} \
                     bytes {bytes} TCP FINs"
                )?;
            }
            8 => write!(
                text,
                "<166>{stamp} asa-ttdl : %ASA-6-305011: Built dynamic TCP translation from inside:{inside}/{near} \
                 to outside:198.51.100.7/{near}"
            )?,
            _ => write!(
                text,
                "<166>{stamp} asa-ttdl : %ASA-6-302015: Built outbound UDP connection {session} for \
                 outside:{outside}/53 ({outside}/53) to inside:{inside}/{near} (198.51.100.7/{near})"
            )?,
        }
        Ok(Device::Asa)
    }

    fn nginx(&mut self, text: &mut String) -> Result<Device, std::fmt::Error> {
        let number = u8::try_from(self.random.between(1, u64::from(Device::WEB_SERVERS)));
        let device = Device::Web(number.unwrap_or(1));
        let host = device.host();
        let client = dotted(self.outside_address());
        let path = *self.random.skewed(PATHS);
        let agent = *self.random.skewed(AGENTS);
        let status = *self.random.skewed(&[200, 200, 304, 301, 404, 500]);
        let (bytes, query) = (self.random.between(150, 60_000), self.random.below(100_000));
        let (bsd, apache) = (&self.stamp.bsd, &self.stamp.apache);
        write!(
            text,
            "<190>{bsd} {host} nginx: {client} - - [{apache}] \"GET {path}?id={query} HTTP/1.1\" {status} {bytes} \
             \"-\" \"{agent}\""
        )?;
        Ok(device)
    }

    fn logind(&mut self, text: &mut String) -> Result<Device, std::fmt::Error> {
        let device = Device::Server(self.server());
        let (host, user) = (device.host(), *self.random.skewed(USERS));
        let pid = self.random.between(400, 900);
        let (session, stamp) = (self.session, &self.stamp.bsd);
        write!(text, "<38>{stamp} {host} systemd-logind[{pid}]: ")?;
        match self.random.below(3) {
            0 => write!(text, "New session {session} of user {user}.")?,
            1 => write!(
                text,
                "Session {session} logged out. Waiting for processes to exit."
            )?,
            _ => write!(text, "Removed session {session}.")?,
        }
        Ok(device)
    }
}

fn dotted(address: [u8; 4]) -> std::net::Ipv4Addr {
    std::net::Ipv4Addr::from(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_about_250_bytes_a_line_and_as_stated() {
        let mut mix = Mix::new(1);
        let at = Micros::from_rfc3339("2026-10-11T08:00:00Z").unwrap();
        let (mut bytes, mut fortigate, mut asa, mut web) = (0, 0, 0, 0);
        let lines = 100_000;
        for _ in 0..lines {
            let line = mix.line(at);
            bytes += line.text.len();
            match line.device {
                Device::Fortigate => fortigate += 1,
                Device::Asa => asa += 1,
                Device::Web(_) => web += 1,
                Device::Server(_) | Device::Database => {}
            }
        }
        let per_cent = |count: i32| count * 100 / lines;
        assert!(
            (230..=290).contains(&(bytes / 100_000)),
            "{} bytes a line",
            bytes / 100_000
        );
        assert!(
            (39..=41).contains(&per_cent(fortigate)),
            "{fortigate} {asa} {web}"
        );
        assert!((19..=21).contains(&per_cent(asa)));
        assert!((9..=11).contains(&per_cent(web)));
    }
}
