//! The header of a line, whichever of the known shapes it has.

use super::priority::{self, FACILITIES, Priority, SEVERITIES};
use super::time::{Reference, Stamp};
use super::{cisco, loose, rfc3164, rfc5424};

/// What a syslog header says; pieces of the line that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header<'a> {
    /// PRI, 0 to 191.
    pub(crate) priority: Option<u8>,
    /// The line starts with a number in angle brackets that is no PRI.
    pub(crate) priority_malformed: bool,
    /// The version of RFC 5424.
    pub(crate) version: Option<u8>,
    /// When the device says that it happened.
    pub(crate) timestamp: Option<Stamp>,
    /// Cisco's number of the message, by which gaps show.
    pub(crate) sequence: Option<u64>,
    /// The device's count of the messages that it sent here: Cisco's message counter, RFC 5424's `sequenceId`.
    pub(crate) counter: Option<u64>,
    /// The name that the sender claims.
    pub(crate) hostname: Option<&'a str>,
    /// APP-NAME, or TAG without its process identifier.
    pub(crate) app_name: Option<&'a str>,
    /// PROCID, or what stands in brackets after TAG.
    pub(crate) proc_id: Option<&'a str>,
    /// MSGID; Solaris' message identifier.
    pub(crate) msg_id: Option<&'a str>,
    /// STRUCTURED-DATA with its brackets.
    pub(crate) structured_data: Option<&'a str>,
    /// The rest, without BOM and without the newline or NUL at its end; the whole line where no header was found.
    pub(crate) message: &'a str,
    /// The relay merged this many equal messages into this line; `message` is the one that they were.
    pub(crate) repeated: Option<u32>,
    /// The shape.
    pub(crate) dialect: Dialect,
}

/// The shape of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// RFC 5424.
    Rfc5424,
    /// RFC 3164, or what goes by that name.
    Rfc3164,
    /// Cisco's, ending before the `%` of the message code.
    Cisco,
    /// None but perhaps a PRI.
    Bare,
}

impl<'a> Header<'a> {
    /// A header that says nothing about `message`.
    pub(super) fn bare(message: &'a str) -> Self {
        Self {
            priority: None,
            priority_malformed: false,
            version: None,
            timestamp: None,
            sequence: None,
            counter: None,
            hostname: None,
            app_name: None,
            proc_id: None,
            msg_id: None,
            structured_data: None,
            message,
            repeated: None,
            dialect: Dialect::Bare,
        }
    }

    /// The code of the facility, 0 to 23.
    pub(crate) fn facility(&self) -> Option<u8> {
        self.priority.map(|priority| priority / 8)
    }

    /// The code of the severity, 0 (emergency) to 7 (debug).
    pub(crate) fn severity(&self) -> Option<u8> {
        self.priority.map(|priority| priority % 8)
    }

    /// The name of the facility.
    pub(crate) fn facility_name(&self) -> Option<&'static str> {
        FACILITIES.get(usize::from(self.facility()?)).copied()
    }

    /// The name of the severity.
    pub(crate) fn severity_name(&self) -> Option<&'static str> {
        SEVERITIES.get(usize::from(self.severity()?)).copied()
    }
}

/// Decodes the header of a line. Never fails: what is no header is message.
pub(crate) fn decode<'a>(line: &'a str, reference: Reference<'_>) -> Header<'a> {
    let line = line
        .trim_start_matches('\u{feff}')
        .trim_end_matches(['\n', '\r', '\0']);
    let (priority, rest) = priority::take(line);
    let framed = priority != Priority::Absent;
    let mut header = rfc5424::read(rest, framed, reference)
        .or_else(|| cisco::read(rest, reference))
        .or_else(|| rfc3164::read(rest, framed, reference))
        .or_else(|| framed.then(|| loose::read(line, rest, reference)).flatten())
        .unwrap_or_else(|| Header::bare(rest));
    header.priority_malformed = priority == Priority::Malformed;
    if let Priority::Sound(priority) = priority {
        header.priority = Some(priority);
    }
    unfold_repetition(&mut header);
    header
}

/// rsyslog merges equal messages into `message repeated 3 times: [ the message]`.
fn unfold_repetition(header: &mut Header<'_>) {
    let unfolded = || {
        let counted = header.message.strip_prefix("message repeated ")?;
        let (count, rest) = counted.split_once(" times: [")?;
        let inner = rest.strip_suffix(']')?;
        Some((count.parse().ok()?, inner.trim_start()))
    };
    if let Some((count, message)) = unfolded() {
        header.repeated = Some(count);
        header.message = message;
    }
}

#[cfg(test)]
mod tests {
    use event::Micros;
    use proptest::prelude::*;

    use super::*;
    use crate::header::{Zone, ZoneFrom};

    fn read(line: &str) -> Header<'_> {
        let zone = Zone::vietnam();
        let time = Micros::from_rfc3339("2026-10-12T00:00:00Z").unwrap();
        decode(line, Reference { time, zone: &zone })
    }

    /// The parts of a header in the order in which they are written; what is absent is left out.
    fn parts(line: &str) -> String {
        let header = read(line);
        let mut parts = format!("{:?}", header.dialect);
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                parts.push_str(&format!(" {name}={value}"));
            }
        };
        add("pri", header.priority.map(|p| p.to_string()));
        add("bad", header.priority_malformed.then(|| "pri".to_owned()));
        add("v", header.version.map(|v| v.to_string()));
        add("t", header.timestamp.map(|t| t.at.to_string()));
        add("seq", header.sequence.map(|s| s.to_string()));
        add("host", header.hostname.map(str::to_owned));
        add("app", header.app_name.map(str::to_owned));
        add("pid", header.proc_id.map(str::to_owned));
        add("id", header.msg_id.map(str::to_owned));
        add("sd", header.structured_data.map(str::to_owned));
        add("times", header.repeated.map(|r| r.to_string()));
        format!("{parts} | {}", header.message)
    }

    fn check(line: &str, expected: &str) {
        assert_eq!(parts(line), expected, "{line}");
    }

    #[test]
    fn rfc_5424_is_read() {
        check(
            "<34>1 2026-10-11T22:14:15.003Z web1.example.vn su 77 ID47 - 'su root' failed",
            "Rfc5424 pri=34 v=1 t=2026-10-11T22:14:15.003Z host=web1.example.vn app=su pid=77 id=ID47 | 'su root' failed",
        );
        check(
            "<165>1 2026-10-11T22:14:15+07:00 fw - - - [a@32473 x=\"]\"][b] \u{feff}text\n",
            "Rfc5424 pri=165 v=1 t=2026-10-11T15:14:15Z host=fw sd=[a@32473 x=\"]\"][b] | text",
        );
        check("<165>1 - - - - - -", "Rfc5424 pri=165 v=1 | ");
        check(
            "<29>1 2026-10-11T22:14:15Z ksc CEF:0|a|b|1|c|d|5|rt=1 x=y",
            "Rfc5424 pri=29 v=1 t=2026-10-11T22:14:15Z host=ksc | CEF:0|a|b|1|c|d|5|rt=1 x=y",
        );
        check(
            "<5>1 2026-10-11T22:14:15Z VAULT {\"a\":\"b c d\"}",
            "Rfc5424 pri=5 v=1 t=2026-10-11T22:14:15Z host=VAULT | {\"a\":\"b c d\"}",
        );
        check(
            "<165>1 2026-10-11T22:14:15Z fw",
            "Rfc5424 pri=165 v=1 t=2026-10-11T22:14:15Z host=fw | ",
        );
        check(
            "<34>1 2026-10-11T22:14:15Z fw su - ID47 no structure",
            "Rfc5424 pri=34 v=1 t=2026-10-11T22:14:15Z host=fw app=su id=ID47 | no structure",
        );
        check(
            "1 2026-10-11T22:14:15Z fw su - - - x",
            "Rfc5424 v=1 t=2026-10-11T22:14:15Z host=fw app=su | x",
        );
        // Structured data that is not closed stays in the message.
        check(
            "<34>1 2026-10-11T22:14:15Z fw su - - [a x=\"1 y",
            "Rfc5424 pri=34 v=1 t=2026-10-11T22:14:15Z host=fw app=su | [a x=\"1 y",
        );
        check(
            "<134>1 1791756855.003 MX84 events type=vpn",
            "Rfc3164 pri=134 t=2026-10-11T22:14:15.003Z host=MX84 | events type=vpn",
        );
    }

    #[test]
    fn rfc_3164_is_read_as_it_is_written() {
        let here = "2026-10-11T15:14:15Z";
        check(
            "<38>Oct 11 22:14:15 web1 sshd[4711]: Failed password",
            &format!("Rfc3164 pri=38 t={here} host=web1 app=sshd pid=4711 | Failed password"),
        );
        check(
            "Oct 11 22:14:15 web1 sshd[4711]: Failed password",
            &format!("Rfc3164 t={here} host=web1 app=sshd pid=4711 | Failed password"),
        );
        check(
            "<38> Oct  1 22:14:15 web1 su: x",
            "Rfc3164 pri=38 t=2026-10-01T15:14:15Z host=web1 app=su | x",
        );
        check(
            "<38>Oct 11 22:14:15 web1 sshd(pam_unix)[4711]: session",
            &format!("Rfc3164 pri=38 t={here} host=web1 app=sshd(pam_unix) pid=4711 | session"),
        );
        check(
            "2026-10-11T22:14:15.003+07:00 web1 postfix/smtpd[9]: x",
            "Rfc3164 t=2026-10-11T15:14:15.003Z host=web1 app=postfix/smtpd pid=9 | x",
        );
        check(
            "<38>Oct 11 22:14:15 gw gw sshd[454]: x",
            &format!("Rfc3164 pri=38 t={here} host=gw app=sshd pid=454 | x"),
        );
        check(
            "<38>Oct 11 22:14:15 web1 tag:text",
            &format!("Rfc3164 pri=38 t={here} host=web1 app=tag | text"),
        );
        check(
            "<38>Oct 11 22:14:15 web1 no tag here",
            &format!("Rfc3164 pri=38 t={here} host=web1 | no tag here"),
        );
        check(
            "<38>Oct 11 22:14:15 web1 : text",
            &format!("Rfc3164 pri=38 t={here} host=web1 | text"),
        );
        check(
            "<38>Oct 11 22:14:15 web1 - text",
            &format!("Rfc3164 pri=38 t={here} host=web1 | text"),
        );
        check(
            "<38>Oct 11 22:14:15 2001:db8::1 su: x",
            &format!("Rfc3164 pri=38 t={here} host=2001:db8::1 app=su | x"),
        );
        check(
            "<38>Oct 11 22:14:15 web1",
            &format!("Rfc3164 pri=38 t={here} host=web1 | "),
        );
        check(
            "<38>Oct 11 22:14:15",
            &format!("Rfc3164 pri=38 t={here} | "),
        );
        check(
            "<38>Oct 11 22:14:15 web1 sshd[1]: [ID 800047 auth.info] x",
            &format!("Rfc3164 pri=38 t={here} host=web1 app=sshd pid=1 id=800047 | x"),
        );
        check(
            "<38>Oct 11 22:14:15 Message forwarded from aix1: sshd[9]: x",
            &format!("Rfc3164 pri=38 t={here} host=aix1 app=sshd pid=9 | x"),
        );
        check(
            "<38>Oct 11 22:14:15 web1 sshd[1]: message repeated 3 times: [ Failed password]",
            &format!("Rfc3164 pri=38 t={here} host=web1 app=sshd pid=1 times=3 | Failed password"),
        );
    }

    #[test]
    fn a_missing_host_or_date_is_not_made_up() {
        let here = "2026-10-11T15:14:15Z";
        check(
            "<38>Oct 11 22:14:15 sshd[4711]: x",
            &format!("Rfc3164 pri=38 t={here} app=sshd pid=4711 | x"),
        );
        check(
            "<38>Oct 11 22:14:15 kernel: x",
            &format!("Rfc3164 pri=38 t={here} app=kernel | x"),
        );
        check(
            "<15> openvpn[2499]: started",
            "Rfc3164 pri=15 app=openvpn pid=2499 | started",
        );
        check(
            "<27>xapi: [error|x] died",
            "Rfc3164 pri=27 app=xapi | [error|x] died",
        );
        check(
            "<13>web1 su[1]: x",
            "Rfc3164 pri=13 host=web1 app=su pid=1 | x",
        );
        check("sshd[4711]: x", "Rfc3164 app=sshd pid=4711 | x");
        check(
            "web1 sshd[4711]: x",
            "Rfc3164 host=web1 app=sshd pid=4711 | x",
        );
        check(
            "<38>Oct 11 22:14:15 {\"a\":1}",
            &format!("Rfc3164 pri=38 t={here} | {{\"a\":1}}"),
        );
        check("<13>free text only", "Bare pri=13 | free text only");
        check("note: free text", "Bare | note: free text");
        check("", "Bare | ");
        check("<13>", "Bare pri=13 | ");
        check("\n\0", "Bare | ");
    }

    /// Each row of what `syslog_loose` 0.23 gets wrong, and what is right.
    #[test]
    fn what_syslog_loose_gets_wrong_is_right() {
        let here = "2026-10-11T15:14:15Z";
        check(
            "<166>Oct 11 2026 22:14:15: %ASA-6-302013: Built",
            &format!("Cisco pri=166 t={here} | %ASA-6-302013: Built"),
        );
        check(
            "<189>*Oct 11 22:14:15.123: %SYS-5-CONFIG_I: x",
            "Cisco pri=189 t=2026-10-11T15:14:15.123Z | %SYS-5-CONFIG_I: x",
        );
        check(
            "<189>45: Oct 11 22:14:15: %SYS-5-CONFIG_I: x",
            &format!("Cisco pri=189 t={here} seq=45 | %SYS-5-CONFIG_I: x"),
        );
        check(
            "<189>date=2026-10-11 time=22:14:15 devname=\"fw\"",
            "Bare pri=189 | date=2026-10-11 time=22:14:15 devname=\"fw\"",
        );
        check(
            "<189>2026 Oct 11 22:14:15 ICT: %AUTHPRIV-3-SYSTEM_MSG: x",
            &format!("Cisco pri=189 t={here} | %AUTHPRIV-3-SYSTEM_MSG: x"),
        );
        check(
            "<38>2026-10-11T22:14:15+0300 web1 su: x",
            "Rfc3164 pri=38 t=2026-10-11T19:14:15Z host=web1 app=su | x",
        );
        check(
            "<34>1 2026-10-11T22:14:15Z fw su - - [a x=\"1",
            "Rfc5424 pri=34 v=1 t=2026-10-11T22:14:15Z host=fw app=su | [a x=\"1",
        );
        check(
            "<38>Oct 11 22:14:15.123 web1 su: x",
            "Rfc3164 pri=38 t=2026-10-11T15:14:15.123Z host=web1 app=su | x",
        );
        check(
            "<189>Oct 11 22:14:15 UTC sw1 su: x",
            "Rfc3164 pri=189 t=2026-10-11T22:14:15Z host=sw1 app=su | x",
        );
        check(
            "<134>CEF:0|Acme|Fw|1|2|n|3|a=b",
            "Bare pri=134 | CEF:0|Acme|Fw|1|2|n|3|a=b",
        );
        check(
            "<134>Oct 11 22:14:15 fw CEF:0|Acme|Fw|1|2|n|3|a=b",
            &format!("Rfc3164 pri=134 t={here} host=fw | CEF:0|Acme|Fw|1|2|n|3|a=b"),
        );
        check(
            "<134>Oct 11 22:14:15 fw LEEF:2.0|Acme|Fw|1|2|^|a=b",
            &format!("Rfc3164 pri=134 t={here} host=fw | LEEF:2.0|Acme|Fw|1|2|^|a=b"),
        );
        check(
            "<38>Feb 29 00:00:00 web1 su: x",
            "Rfc3164 pri=38 t=2028-02-28T17:00:00Z host=web1 app=su | x",
        );
        check(
            "<38>Oct 11 22:14:15 last message repeated 3 times",
            &format!("Rfc3164 pri=38 t={here} | last message repeated 3 times"),
        );
        check(
            "<13>last message repeated 3 times",
            "Bare pri=13 | last message repeated 3 times",
        );
        check(
            "<999>Oct 11 22:14:15 web1 su: x",
            &format!("Rfc3164 bad=pri t={here} host=web1 app=su | x"),
        );
    }

    #[test]
    fn cisco_headers_are_read_in_every_arrangement() {
        let here = "2026-10-11T15:14:15Z";
        let expect = |middle: &str| format!("Cisco t={here}{middle} | %SYS-5-CONFIG_I: x");
        check(
            "45: sw1: *Oct 11 22:14:15: %SYS-5-CONFIG_I: x",
            &expect(" seq=45 host=sw1"),
        );
        check(
            "45: sw1: .Oct 11 22:14:15.000 ICT: %SYS-5-CONFIG_I: x",
            &expect(" seq=45 host=sw1"),
        );
        check(
            "Oct 11 22:14:00 192.0.2.1 45: Oct 11 22:14:15: %SYS-5-CONFIG_I: x",
            &expect(" seq=45 host=192.0.2.1"),
        );
        check(
            "Oct 11 22:14:15 sw1 %SYS-5-CONFIG_I: x",
            &expect(" host=sw1"),
        );
        check(
            "Oct 11 2026 22:14:15 asa1 : %SYS-5-CONFIG_I: x",
            &expect(" host=asa1"),
        );
        check(":Oct 11 22:14:15 ICT: %SYS-5-CONFIG_I: x", &expect(""));
        check(
            "RP/0/RSP0/CPU0:Oct 11 22:14:15.000 ICT: snmpd[1002]: %SYS-5-CONFIG_I: x",
            &expect(" app=snmpd pid=1002"),
        );
        check(
            "<166>%ASA-6-302013: Built",
            "Cisco pri=166 | %ASA-6-302013: Built",
        );
        check(
            "<166>asa1 %ASA-6-302013: Built",
            "Cisco pri=166 host=asa1 | %ASA-6-302013: Built",
        );
        check(
            "<189>46: 1w2d: %SYS-5-CONFIG_I: x",
            "Cisco pri=189 seq=46 | %SYS-5-CONFIG_I: x",
        );
        check("00:00:46: %LINK-3-UPDOWN: x", "Cisco | %LINK-3-UPDOWN: x");
        check(
            "<190>Oct 11 22:14:15 sw1 %%01SSH/5/SSH_USER_LOGIN(l)[1]:x",
            &format!("Cisco pri=190 t={here} host=sw1 | %%01SSH/5/SSH_USER_LOGIN(l)[1]:x"),
        );
        // A code in the middle of a message is no header.
        check(
            "<38>Oct 11 22:14:15 web1 app: got %SYS-5-CONFIG_I: x",
            &format!("Rfc3164 pri=38 t={here} host=web1 app=app | got %SYS-5-CONFIG_I: x"),
        );
    }

    #[test]
    fn a_dated_line_of_an_application_stays_whole() {
        let when = "2026-10-11T15:14:15Z";
        for line in [
            "2026/10/11 22:14:15 [error] 12#12: *3 open() failed",
            "2026-10-11 22:14:15 ICT [123] an@app LOG:  x",
            "2026-10-11 22:14:15 INFO main: started",
            "2026-10-11 22:14:15 ICT LOG:  duration: 3 ms",
            "2026-10-11 22:14:15 ICT:192.0.2.1(52834):an@app:[20175]:ERROR:  x",
            "2026-10-11 22:14:15 no tag in this line",
        ] {
            check(line, &format!("Bare t={when} | {line}"));
        }
    }

    /// The catalogue of odd headers in the corpus: servers disagree on names and tags there, but priorities, structured
    /// data (where it is not cut) and dates with a zone are facts.
    #[test]
    fn the_corpus_of_odd_headers_is_read() {
        let root = std::env::var("NHATKY_CORPUS").unwrap_or_else(|_| {
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus").to_owned()
        });
        let mut lines = 0;
        for file in ["rsyslog", "syslog-ng", "victorialogs"] {
            let Ok(text) = std::fs::read_to_string(format!("{root}/syslog/{file}.jsonl")) else {
                println!("skipped: no corpus at {root}");
                return;
            };
            for case in text.lines() {
                let case: serde_json::Value = serde_json::from_str(case).unwrap();
                let Some(raw) = case["raw"].as_str() else {
                    continue;
                };
                let (header, expected) = (read(raw), &case["expected"]);
                if let Some(priority) = expected["priority"].as_str()
                    && raw.starts_with('<')
                {
                    assert_eq!(
                        header.priority.map(|p| p.to_string()).as_deref(),
                        Some(priority),
                        "{raw}"
                    );
                }
                if let (Some(epoch), true) = (expected["epoch"].as_i64(), raw.contains("T0")) {
                    let at = header
                        .timestamp
                        .filter(|stamp| stamp.zone == ZoneFrom::Line);
                    let second = at.map(|stamp| stamp.at.0 / Micros::PER_SECOND);
                    assert!(
                        second.is_none_or(|second| second == epoch),
                        "{raw}: {second:?}"
                    );
                }
                if let Some(data) = expected["structured_data"].as_str()
                    && raw.contains(data)
                    && data.starts_with('[')
                {
                    assert_eq!(header.structured_data, Some(data), "{raw}");
                }
                lines += 1;
            }
        }
        assert!(lines > 0, "the corpus has lines");
    }

    #[test]
    fn names_of_facility_and_severity_follow_the_codes() {
        let header = read("<165>x");
        assert_eq!(
            (header.facility_name(), header.severity_name()),
            (Some("local4"), Some("notice"))
        );
    }

    proptest! {
        #[test]
        fn any_line_is_survived_and_keeps_its_message(line in "\\PC{0,120}") {
            prop_assert!(line.contains(read(&line).message));
        }

        #[test]
        fn almost_headers_are_survived(line in "(<[0-9]{1,4}>)?([1-9] )?([*.:]|[0-9]{1,6}: )?([A-Z][a-z]{2} [0-9 ]{2} [0-9:.]{5,12}|[0-9T:+Z.-]{8,30})?[ :]?[a-z0-9.:@-]{0,12}[ :]{0,2}([a-z/()]{0,8}(\\[[0-9 ]{0,4}\\]?)?:?)?( %[A-Z-]{1,5}[0-9]-[A-Z]+:| -){0,4}( \\[[a-z=\"\\]\\\\ ]{0,12})?.{0,12}") {
            prop_assert!(line.contains(read(&line).message));
        }

        /// On what is well-formed, `syslog_loose` is right, and we agree.
        #[test]
        fn well_formed_lines_are_read_as_syslog_loose_reads_them(
            priority in 0_u8..=191, second in 0_i64..4_000_000_000, host in "[a-z][a-z0-9.-]{0,12}[a-z]", app in "[a-z][a-z_-]{0,10}",
            pid in 1_u32..100_000, message in "[a-zA-Z0-9,.]{1,10}( [a-zA-Z0-9,.:]{1,8}){0,6}",
        ) {
            let date = Micros(second * Micros::PER_SECOND);
            for line in [
                format!("<{priority}>1 {date} {host} {app} {pid} ID1 - {message}"),
                format!("<{priority}>{date} {host} {app}[{pid}]: {message}"),
            ] {
                let theirs = syslog_loose::parse_message(&line, syslog_loose::Variant::Either);
                let ours = read(&line);
                prop_assert_eq!(ours.timestamp.map(|t| t.at), theirs.timestamp.map(|t| Micros(t.timestamp_micros())));
                prop_assert_eq!(ours.hostname, theirs.hostname);
                prop_assert_eq!(ours.app_name, theirs.appname);
                prop_assert_eq!(ours.proc_id.map(str::to_owned), Some(pid.to_string()));
                prop_assert_eq!(ours.msg_id, theirs.msgid);
                prop_assert_eq!(ours.message, theirs.msg);
                prop_assert_eq!(ours.severity(), theirs.severity.map(|s| s as u8));
            }
        }
    }
}
