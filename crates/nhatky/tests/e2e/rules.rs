//! What a site changes about rules, and backtests, on the command line.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Output;

use serde_json::Value;

use crate::process::Nhatky;

/// Runs a command on the running server.
fn on_server(nhatky: &Nhatky, arguments: &[&str]) -> Output {
    let mut command = crate::process::binary();
    command.args(arguments).args(["--server", &nhatky.url("")]);
    command.output().expect("it runs")
}

/// Whether it succeeded, and the JSON that it said.
fn said(output: &Output) -> (bool, Vec<Value>) {
    let lines = String::from_utf8_lossy(&output.stdout);
    let lines = lines
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    (output.status.success(), lines.collect())
}

fn run(nhatky: &Nhatky, arguments: &[&str]) -> (bool, Vec<Value>) {
    said(&on_server(nhatky, arguments))
}

/// A server to which somebody has tried twelve passwords.
fn attacked() -> Nhatky {
    let nhatky = Nhatky::started();
    let mut stream = TcpStream::connect(nhatky.syslog).expect("a connection");
    for port in 50_000..50_012 {
        let line = format!(
            "<86>db1 sshd[4711]: Failed password for root from 198.51.100.7 port {port} ssh2"
        );
        writeln!(stream, "{line}").expect("sent");
    }
    drop(stream);
    nhatky.wait_for_count("\"failed password\"", 12);
    nhatky
}

#[test]
fn a_rule_is_set_shown_and_given_back() {
    let nhatky = Nhatky::started();
    let id = "login-failures-account";
    let why = ["--reason", "our own scanner", "--yes"];
    let set =
        |arguments: &[&str]| run(&nhatky, &[&["rules", "set", id], arguments, &why].concat()).0;
    assert!(set(&["threshold", "40"]));
    assert!(set(&["window", "20m"]));
    assert!(set(&["enabled", "false"]));
    assert!(!set(&["treshold", "40"]), "there is no such setting");
    assert!(!set(&["threshold", "many"]), "it takes a number");
    let (_, shown) = run(&nhatky, &["rules", "settings", id]);
    let settings = shown[0]["settings"].as_array().expect("settings");
    let values: Vec<(&Value, &Value)> = settings
        .iter()
        .map(|one| (&one["tunable"], &one["value"]))
        .collect();
    assert_eq!(
        values,
        [
            (&Value::from("enabled"), &Value::from(false)),
            (&Value::from("threshold"), &Value::from(40)),
            (&Value::from("window"), &Value::from("20m")),
        ]
    );
    // The running rules follow.
    nhatky.wait_until("the rule is switched off", |nhatky| {
        nhatky.get(&format!("/api/v1/rules/{id}"), &[])["state"] == "disabled"
    });
    for name in ["enabled", "threshold", "window"] {
        assert!(run(&nhatky, &[&["rules", "unset", id, name][..], &why].concat()).0);
    }
    let (_, shown) = run(&nhatky, &["rules", "settings", id]);
    assert_eq!(shown[0]["settings"], Value::Array(Vec::new()));
    assert!(!run(&nhatky, &["rules", "settings", "nobody"]).0);
}

#[test]
fn an_exception_is_made_listed_and_ended() {
    let nhatky = Nhatky::started();
    let except = |arguments: &[&str]| {
        let begin = [
            "rules",
            "except",
            "--owner",
            "an",
            "--reason",
            "a test of ours",
            "--yes",
        ];
        run(&nhatky, &[&begin, arguments].concat()).0
    };
    let id = "login-failures-account";
    assert!(except(&[
        "--rule",
        id,
        "--expires",
        "now+30d",
        "source.ip:198.51.100.7"
    ]));
    assert!(except(&["--expires", "now+30d", "user.name:scanner"]));
    assert!(
        !except(&["--expires", "now+2y", "user.name:scanner"]),
        "it lasts too long"
    );
    assert!(
        !except(&["--expires", "now+30d", ""]),
        "it is for every event"
    );
    let (_, list) = run(&nhatky, &["rules", "exceptions"]);
    assert_eq!(
        (list.len(), &list[0]["rule"], &list[1]["rule"]),
        (2, &Value::from(id), &Value::Null)
    );
    let (_, shown) = run(&nhatky, &["rules", "settings", "login-failures-address"]);
    assert_eq!(shown[0]["exceptions"][0]["query"], "user.name:scanner");
    assert!(run(&nhatky, &["rules", "end-exception", "1"]).0);
    assert!(!run(&nhatky, &["rules", "end-exception", "1"]).0);
    assert_eq!(run(&nhatky, &["rules", "exceptions"]).1.len(), 1);
}

#[test]
fn a_backtest_tells_the_same_on_a_server_and_on_its_data_directory() {
    let mut nhatky = attacked();
    let backtest = ["rules", "backtest", "--rule", "login-failures-account"];
    let (good, of_server) = run(&nhatky, &backtest);
    assert!(good);
    let [detection, summary] = of_server.as_slice() else {
        panic!("a detection and the figures: {of_server:?}")
    };
    assert_eq!(detection["entity"]["name"], "root");
    let summary = &summary["summary"];
    assert_eq!(
        (&summary["detections"], &summary["whole"]),
        (&Value::from(1), &Value::from(true))
    );
    let ssh = |summary: &Value| {
        let sources = summary["sources"].as_array().expect("sources").iter();
        let mut ssh = sources.filter(|of| {
            of["source"]
                .as_str()
                .is_some_and(|source| source.contains("ssh"))
        });
        ssh.next().expect("the source of the lines").clone()
    };
    assert_eq!(
        (&ssh(summary)["events"], &ssh(summary)["detections"]),
        (&Value::from(12), &Value::from(1))
    );
    assert!(nhatky.stop().success());
    let (good, offline) = said(&nhatky.command(&backtest));
    assert!(good);
    let [same, figures] = offline.as_slice() else {
        panic!("a detection and the figures: {offline:?}")
    };
    assert_eq!(same, detection);
    assert_eq!(ssh(&figures["summary"]), ssh(summary));
    let (_, none) = said(&nhatky.command(&[&backtest[..], &["--to", "now-1d"]].concat()));
    assert_eq!(none[0]["summary"]["events"], 0, "{none:?}");
    assert!(
        !nhatky
            .command(&["rules", "backtest", "--rule", "nobody"])
            .status
            .success()
    );
}

#[test]
fn a_change_is_shown_before_it_is_made_and_not_made_unasked() {
    let nhatky = attacked();
    let id = "login-failures-account";
    let set = [
        "rules",
        "set",
        id,
        "threshold",
        "40",
        "--reason",
        "our own scanner",
    ];
    let unattended = on_server(&nhatky, &set);
    assert_eq!(unattended.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unattended.stderr).contains("--yes"));
    let (good, shown) = run(&nhatky, &[&set[..], &["--preview"]].concat());
    assert!(good);
    assert_eq!(
        (&shown[0]["before"]["detections"], &shown[0]["vanished"]),
        (&Value::from(1), &Value::from(1))
    );
    assert_eq!(shown[0]["vanished_first"][0]["entity"]["name"], "root");
    let (_, settings) = run(&nhatky, &["rules", "settings", id]);
    assert_eq!(settings[0]["settings"], Value::Array(Vec::new()));
    let except = [
        "rules",
        "except",
        "--owner",
        "an",
        "--reason",
        "ours",
        "--expires",
        "now+1d",
        "--preview",
    ];
    let (_, shown) = run(
        &nhatky,
        &[&except[..], &["--rule", id, "user.name:root"]].concat(),
    );
    assert_eq!(shown[0]["vanished"], 1, "{shown:?}");
    let (_, shown) = run(&nhatky, &[&except[..], &["user.name:root"]].concat());
    assert!(shown[0]["vanished"].as_u64() >= Some(1), "{shown:?}");
    assert_eq!(run(&nhatky, &["rules", "exceptions"]).1.len(), 0);
}
