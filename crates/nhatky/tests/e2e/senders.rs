//! The senders that are really used: rsyslog, syslog-ng, logger. What they were told to send is found, each once.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::process::{Nhatky, workspace};

/// A sender that runs until dropped.
pub(crate) struct Sender(Child);

impl Drop for Sender {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

const RSYSLOG: &str = "/usr/sbin/rsyslogd";

fn installed(program: &Path) {
    assert!(
        program.is_file(),
        "{} is not there: run `make setup`",
        program.display()
    );
}

/// rsyslogd, called `name`, that reads lines from a file and does `action` with each, losing none when the receiver is
/// away.
fn rsyslog(nhatky: &Nhatky, name: &str, input: &Path, action: &str) -> Sender {
    installed(Path::new(RSYSLOG));
    let work = nhatky.beside(name);
    std::fs::create_dir_all(&work).expect("a folder");
    let config = nhatky.beside(&format!("{name}.conf"));
    let text = format!(
        r#"global(workDirectory="{work}")
module(load="imfile")
module(load="omrelp")
module(load="omelasticsearch")
template(name="json" type="string" string="{{\"message\":\"%msg:::json%\",\"host\":{{\"name\":\"rsyslog-host\"}}}}")
input(type="imfile" File="{input}" Tag="app:" freshStartTail="off")
{action}
"#,
        work = work.display(),
        input = input.display(),
    );
    std::fs::write(&config, text).expect("a configuration");
    let child = Command::new(RSYSLOG)
        .args(["-n", "-f"])
        .arg(&config)
        .arg("-i")
        .arg(nhatky.beside(&format!("{name}.pid")))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("rsyslogd starts");
    Sender(child)
}

/// rsyslog that sends `count` numbered lines by RELP.
pub(crate) fn rsyslog_by_relp(nhatky: &Nhatky, word: &str, count: u32) -> Sender {
    let lines = nhatky.beside(&format!("{word}.log"));
    numbered_lines(&lines, word, count);
    let action = format!(
        r#"action(type="omrelp" target="127.0.0.1" port="{}" action.resumeRetryCount="-1" action.resumeInterval="1")"#,
        nhatky.relp.port()
    );
    rsyslog(nhatky, &format!("{word}-rsyslog"), &lines, &action)
}

/// rsyslog that sends `count` numbered lines by `_bulk`.
///
/// The action has no queue of its own: one that is full gives lines up after two seconds (`queue.timeoutEnqueue`), while
/// the main queue makes the file wait.
pub(crate) fn rsyslog_by_bulk(nhatky: &Nhatky, word: &str, count: u32) -> Sender {
    let lines = nhatky.beside(&format!("{word}.log"));
    numbered_lines(&lines, word, count);
    let action = format!(
        r#"action(type="omelasticsearch" server="127.0.0.1" serverport="{}" template="json" searchIndex="logs" searchType="" bulkmode="on" action.resumeretrycount="-1" action.resumeInterval="1")"#,
        nhatky.http.port()
    );
    rsyslog(nhatky, &format!("{word}-rsyslog"), &lines, &action)
}

fn numbered_lines(path: &Path, word: &str, count: u32) {
    let mut file = std::fs::File::create(path).expect("a file");
    for number in 0..count {
        writeln!(file, "{word} {number}").expect("written");
    }
}

/// How often each number is found; none is found that was not sent.
fn times_found(nhatky: &Nhatky, word: &str, count: u32) -> Vec<u32> {
    let mut times = vec![0_u32; count as usize];
    for event in nhatky.all(word) {
        let original = event["event.original"].as_str().expect("text");
        let after = original
            .split(&format!("{word} "))
            .nth(1)
            .expect("the word");
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        let number: usize = digits.parse().expect("a number");
        times[number] += 1;
    }
    times
}

/// Waits until each number is found; gives how many findings are beyond the first.
pub(crate) fn found_again(nhatky: &Nhatky, word: &str, count: u32) -> u32 {
    let mut times = Vec::new();
    nhatky.wait_until(&format!("every line of {word} has come"), |nhatky| {
        nhatky.count(word) >= u64::from(count) && {
            times = times_found(nhatky, word, count);
            times.iter().all(|times| *times > 0)
        }
    });
    times.iter().map(|times| times - 1).sum()
}

#[test]
fn rsyslog_by_relp_is_acknowledged_and_found_once() {
    let nhatky = Nhatky::started();
    let _sender = rsyslog_by_relp(&nhatky, "relpline", 5000);
    nhatky.wait_for_count("relpline", 5000);
    assert_eq!(found_again(&nhatky, "relpline", 5000), 0);
    let event = &nhatky.all("relpline")[0];
    assert_eq!(event["nhatky.transport"], "relp");
    assert_eq!(event["log.syslog.appname"], "app");
}

#[test]
fn rsyslog_by_bulk_is_found_once() {
    let nhatky = Nhatky::started();
    let _sender = rsyslog_by_bulk(&nhatky, "bulkline", 5000);
    nhatky.wait_for_count("bulkline", 5000);
    assert_eq!(found_again(&nhatky, "bulkline", 5000), 0);
    assert_eq!(nhatky.count("bulkline AND host.name:rsyslog-host"), 5000);
}

/// syslog-ng that sends `count` numbered lines by HTTP.
pub(crate) fn syslog_ng_by_http(nhatky: &Nhatky, word: &str, count: u32) -> Sender {
    let folder = workspace().join("target/syslog-ng");
    let program = folder.join("usr/sbin/syslog-ng");
    installed(&program);
    let lines = nhatky.beside(&format!("{word}.log"));
    numbered_lines(&lines, word, count);
    let config = nhatky.beside("syslog-ng.conf");
    let text = format!(
        r#"@version: 3.35
@module affile
@module syslogformat
@module basicfuncs
@module json-plugin
@module http
source s {{ file("{input}" flags(no-parse) follow-freq(0.1)); }};
destination d {{ http(url("{url}") method("POST") body("$(format-json message=$MSG host=$HOST)") delimiter("\n") batch-lines(100) batch-timeout(100) retries(1000) time-reopen(1)); }};
log {{ source(s); destination(d); flags(flow-control); }};
"#,
        input = lines.display(),
        url = nhatky.url("/api/v1/ingest"),
    );
    std::fs::write(&config, text).expect("a configuration");
    let libraries = [
        "usr/lib/x86_64-linux-gnu",
        "lib/x86_64-linux-gnu",
        "usr/lib/syslog-ng",
    ];
    let libraries: Vec<PathBuf> = libraries
        .iter()
        .map(|library| folder.join(library))
        .collect();
    let child = Command::new(&program)
        .env(
            "LD_LIBRARY_PATH",
            std::env::join_paths(libraries).expect("plain paths"),
        )
        .args(["--foreground", "--no-caps", "--cfgfile"])
        .arg(&config)
        .arg(format!(
            "--module-path={}",
            folder.join("usr/lib/syslog-ng/3.38").display()
        ))
        .arg(format!(
            "--persist-file={}",
            nhatky.beside("ng.persist").display()
        ))
        .arg(format!("--pidfile={}", nhatky.beside("ng.pid").display()))
        .arg(format!("--control={}", nhatky.beside("ng.ctl").display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(nhatky.beside("ng.err")).expect("a file"))
        .spawn()
        .expect("syslog-ng starts");
    Sender(child)
}

#[test]
fn syslog_ng_by_http_is_found_once() {
    let nhatky = Nhatky::started();
    let _sender = syslog_ng_by_http(&nhatky, "ngline", 5000);
    nhatky.wait_for_count("ngline", 5000);
    assert_eq!(found_again(&nhatky, "ngline", 5000), 0);
}

#[test]
fn logger_is_understood_over_udp_and_tcp_in_both_formats() {
    let nhatky = Nhatky::started();
    let port = nhatky.syslog.port().to_string();
    let cases = [
        ("--udp", "--rfc3164", false),
        ("--udp", "--rfc5424", false),
        ("--tcp", "--rfc3164", false),
        ("--tcp", "--rfc5424", false),
        ("--tcp", "--rfc5424", true),
    ];
    for (number, (transport, format, octets)) in cases.into_iter().enumerate() {
        let mut command = Command::new("logger");
        command.args(["--server", "127.0.0.1", "--port", &port, transport, format]);
        if octets {
            command.arg("--octet-count");
        }
        let message = format!("xin chào loggerline {number}");
        let status = command
            .args(["--tag", "thu", "--priority", "auth.warning", &message])
            .status();
        assert!(status.expect("logger runs").success());
        nhatky.wait_for_count(&format!("\"loggerline {number}\""), 1);
    }
    let events = nhatky.all("loggerline \"xin chào\"");
    assert_eq!(events.len(), cases.len());
    for event in events {
        assert_eq!(event["log.syslog.appname"], "thu", "{event}");
        assert_eq!(event["log.syslog.severity.code"], 4, "{event}");
    }
}
