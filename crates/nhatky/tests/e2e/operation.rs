//! Running it: stopping, reloading, tokens, checking, verifying, importing.

use std::net::UdpSocket;
use std::process::Command;

use serde_json::Value;

use crate::process::{Nhatky, binary, workspace};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn sigterm_loses_nothing_and_the_next_start_finds_everything() {
    let mut nhatky = Nhatky::started();
    let (status, _) = nhatky.post("/api/v1/ingest", "{\"message\":\"before\"}\n");
    assert_eq!(status, 200);
    assert!(nhatky.stop().success());
    nhatky.start();
    nhatky.wait_for_count("before", 1);
    assert!(nhatky.count("nhatky.message:started OR started") >= 1);
}

#[test]
fn any_changed_byte_of_the_journal_is_found_by_verify() {
    let mut nhatky = Nhatky::started();
    nhatky.post("/api/v1/ingest", "{\"message\":\"evidence\"}\n");
    assert!(nhatky.stop().success());
    let sound = nhatky.command(&["verify"]);
    assert_eq!(sound.status.code(), Some(0), "{}", text(&sound.stdout));
    let files = journal_files(&nhatky);
    assert!(!files.is_empty());
    let mut random = simulate::Random::new(11);
    for file in files {
        let whole = std::fs::read(&file).expect("readable");
        for _ in 0..20 {
            let mut changed = whole.clone();
            let at = usize::try_from(random.below(changed.len() as u64)).expect("an offset");
            changed[at] ^= 1 << random.below(8);
            std::fs::write(&file, &changed).expect("writable");
            let broken = nhatky.command(&["verify"]);
            assert_eq!(
                broken.status.code(),
                Some(1),
                "byte {at} of {}",
                file.display()
            );
        }
        std::fs::write(&file, &whole).expect("writable");
    }
    assert_eq!(
        nhatky.command(&["verify"]).status.code(),
        Some(0),
        "verify repairs nothing and changes nothing"
    );
}

fn journal_files(nhatky: &Nhatky) -> Vec<std::path::PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![nhatky.data().join("journal")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let nonempty = path.metadata().expect("a file").len() > 0;
            if path.is_dir() {
                folders.push(path);
            } else if nonempty
                && path
                    .extension()
                    .is_some_and(|extension| extension != "lock")
            {
                files.push(path);
            }
        }
    }
    files
}

#[test]
fn tokens_open_what_their_role_opens_and_nothing_else() {
    let mut nhatky = Nhatky::new();
    let token = |role: &str| {
        let created = nhatky.command(&["token", "create", "--role", role]);
        assert!(created.status.success(), "{}", text(&created.stderr));
        text(&created.stdout).trim().to_owned()
    };
    let [ingest, read, admin] = ["ingest", "read", "admin"].map(token);
    nhatky.start();
    let status = |method: &str, path: &str, token: Option<&str>| {
        let mut request = nhatky
            .client()
            .request(method.parse().expect("a method"), nhatky.url(path));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if method == "POST" {
            request = request.body("{\"message\":\"x\"}\n");
        }
        request.send().expect("it answers").status().as_u16()
    };
    assert_eq!(status("POST", "/api/v1/ingest", Some(&ingest)), 200);
    assert_eq!(status("POST", "/api/v1/ingest", Some(&read)), 403);
    assert_eq!(status("POST", "/api/v1/ingest", None), 401);
    assert_eq!(status("GET", "/api/v1/search?q=", Some(&read)), 200);
    assert_eq!(status("GET", "/api/v1/search?q=", Some(&ingest)), 403);
    assert_eq!(status("GET", "/api/v1/search?q=", None), 401);
    assert_eq!(status("GET", "/api/v1/tokens", Some(&admin)), 200);
    assert_eq!(status("GET", "/api/v1/tokens", Some(&read)), 403);
    assert_eq!(status("GET", "/healthz", None), 200);
}

#[test]
fn check_names_every_mistake_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.toml");
    std::fs::write(
        &file,
        "[retention]\ndays = \"long\"\nweeks = 2\n[http]\nadress = \"127.0.0.1:80\"\n",
    )
    .expect("written");
    let checked = binary()
        .args(["check", "--config"])
        .arg(&file)
        .output()
        .expect("it runs");
    assert_eq!(checked.status.code(), Some(1));
    let said = text(&checked.stdout);
    for line in ["line 2", "line 3", "line 5"] {
        assert!(said.contains(line), "{said}");
    }
    std::fs::write(&file, "[retention]\ndays = 8\n").expect("written");
    let checked = binary()
        .args(["check", "--config"])
        .arg(&file)
        .output()
        .expect("it runs");
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stdout));
}

#[test]
fn a_search_with_stages_gives_a_row_a_line() {
    let nhatky = Nhatky::started();
    let lines: String = ["an", "binh", "an"]
        .map(|user| format!("{{\"message\":\"opened\",\"user\":{{\"name\":\"{user}\"}}}}\n"))
        .concat();
    assert_eq!(nhatky.post("/api/v1/ingest", lines).0, 200);
    nhatky.wait_for_count("opened", 3);
    let search = |query: &str| {
        let server = nhatky.url("");
        let run = binary()
            .args(["search", query, "--json", "--server", &server])
            .output()
            .expect("it runs");
        assert!(run.status.success(), "{}", text(&run.stderr));
        text(&run.stdout)
    };
    let rows = search("opened | stats count() by user.name | sort -count");
    let rows: Vec<Value> = rows
        .lines()
        .map(|row| serde_json::from_str(row).expect("an object a line"))
        .collect();
    assert_eq!(
        rows,
        [
            serde_json::json!({"user.name": "an", "count": 2}),
            serde_json::json!({"user.name": "binh", "count": 1}),
        ]
    );
}

#[test]
fn sighup_takes_a_parser_of_the_site_into_use() {
    let nhatky = Nhatky::started();
    let folder = nhatky.data().join("content/parsers/site.app");
    std::fs::create_dir_all(&folder).expect("a folder");
    let definition = "title = \"site app\"\ncategory = \"application\"\nvendor = \"site\"\n[recognise]\napps = [\"siteapp\"]\n[[message]]\nname = \"hello\"\ntemplate = 'hello <user.name>'\n";
    std::fs::write(folder.join("parser.toml"), definition).expect("written");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    nhatky.signal("HUP");
    nhatky.wait_until("the parser is in use", |nhatky| {
        socket
            .send_to(b"<13>Oct 11 22:14:15 h siteapp: hello an", nhatky.syslog)
            .expect("sent");
        nhatky.count("nhatky.product:site.app AND user.name:an") > 0
    });
}

#[test]
fn rules_and_lists_are_read_again_on_sighup() {
    let mut nhatky = Nhatky::started();
    let content = nhatky.data().join("content");
    let put = |name: &str, text: &str| {
        let path = content.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
    };
    put("lists/trung-tam.txt", "198.51.100.77\n");
    put(
        "rules/chuong.yml",
        "title: The doorbell rings\nid: doorbell\nlogsource: {product: nhatky, category: any}\n\
         detection: {k: [doorbell rings], condition: k}\nlevel: high\nstatus: stable\n",
    );
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let send = |nhatky: &Nhatky, line: &str| {
        socket
            .send_to(line.as_bytes(), nhatky.syslog)
            .expect("sent");
    };
    nhatky.signal("HUP");
    for (rule, line) in [
        (
            "indicator-source",
            "<86>Oct 11 22:14:15 db1 sshd[4711]: Accepted password for an from 198.51.100.77 port 50022 ssh2",
        ),
        (
            "doorbell",
            "<13>Oct 11 22:14:15 may app: the doorbell rings",
        ),
    ] {
        nhatky.wait_until(rule, |nhatky| {
            send(nhatky, line);
            let found = nhatky.get("/api/v1/detections", &[("rule", rule)]);
            found["items"]
                .as_array()
                .is_some_and(|items| !items.is_empty())
        });
    }
    let found = nhatky.get("/api/v1/detections", &[("rule", "indicator-source")]);
    assert_eq!(found["items"][0]["facts"]["list"], "trung-tam", "{found}");
    // What the new rules remember outlives a kill.
    nhatky.kill();
    nhatky.start();
    assert!(nhatky.stop().success());
}

#[test]
fn an_import_can_be_repeated_without_doubling_anything() {
    let mut nhatky = Nhatky::started();
    assert!(nhatky.stop().success());
    let file = nhatky.beside("old.log");
    let lines: String = (0..1000)
        .map(|number| format!("Oct 11 22:14:15 may sshd[1]: old line {number}\n"))
        .collect();
    std::fs::write(&file, &lines).expect("written");
    let data = nhatky.data();
    for _ in 0..2 {
        import(["--data".as_ref(), data.as_os_str()], &file);
    }
    let longer = lines + "Oct 11 22:14:16 may sshd[1]: old line 1000 \u{1f4a5}\n";
    std::fs::write(&file, &longer).expect("written");
    import(["--data".as_ref(), data.as_os_str()], &file);
    let found = nhatky.command(&["search", "--json", "--limit", "5000", "\"old line\""]);
    assert!(found.status.success(), "{}", text(&found.stderr));
    assert_eq!(text(&found.stdout).lines().count(), 1001);
    // A running server goes on where the data directory was left, and takes bytes that are no text.
    nhatky.start();
    let mut longest = longer.into_bytes();
    longest.extend(b"Oct 11 22:14:17 may sshd[1]: old line 1001 \xff\n");
    std::fs::write(&file, &longest).expect("written");
    let server = nhatky.url("");
    for _ in 0..2 {
        import(["--server".as_ref(), server.as_ref()], &file);
    }
    nhatky.wait_for_count("\"old line\"", 1002);
    let found = nhatky.all("\"old line 1001\"");
    assert_eq!(found[0]["nhatky.transport"], "import", "{}", found[0]);
}

#[test]
fn rules_run_over_what_a_running_server_imports() {
    let nhatky = Nhatky::started();
    let file = nhatky.beside("attack.log");
    let lines: String = (0..12)
        .map(|second| {
            format!("Oct 11 22:14:{second:02} may sshd[1]: Failed password for an from 203.0.113.9 port 22 ssh2\n")
        })
        .collect();
    std::fs::write(&file, lines).expect("written");
    let server = nhatky.url("");
    let found = import(
        ["--detect".as_ref(), format!("--server={server}").as_ref()],
        &file,
    );
    assert!(found.contains("login-failures-account"), "{found}");
    let stored = nhatky.get("/api/v1/detections", &[("rule", "login-failures-account")]);
    assert_eq!(stored["items"].as_array().map(Vec::len), Some(1));
}

/// Imports a file there; what the command prints.
fn import(place: [&std::ffi::OsStr; 2], file: &std::path::Path) -> String {
    let mut command = binary();
    command.arg("import").args(place).arg(file);
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn the_page_of_what_parsers_cover_is_today_s() {
    let mut command = binary();
    command.current_dir(workspace());
    let output = command
        .args(["parsers", "coverage", "--markdown"])
        .output()
        .expect("it runs");
    let page = std::fs::read_to_string(workspace().join("docs/parser-coverage.md"));
    assert_eq!(
        text(&output.stdout),
        page.expect("the page is there"),
        "write it anew: nhatky parsers coverage --markdown > docs/parser-coverage.md"
    );
}

#[test]
fn parse_gives_one_object_for_each_line_even_an_empty_one() {
    use std::io::Write as _;
    let mut child = Command::new(env!("CARGO_BIN_EXE_nhatky"))
        .arg("parse")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(b"<13>Oct 11 22:14:15 h sshd[1]: Failed password for root from 10.0.0.1 port 22 ssh2\n\n\xff\xfe\n{\"a\":1}").expect("written");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let lines: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0]["source.ip"], "10.0.0.1");
}
