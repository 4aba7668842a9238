//! The command line (DESIGN §5): names here are what users and scripts hold on to.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::texts::Language;

/// Nhật Ký: receives logs, keeps them provably unchanged, finds anything in them, and watches them.
#[derive(Debug, Parser)]
#[command(name = "nhatky", version, about, propagate_version = true)]
pub(crate) struct Cli {
    /// Language of texts for people; by default that of the environment.
    #[arg(long, global = true, value_enum)]
    pub(crate) lang: Option<Language>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the data is: a directory that no server holds, or a running server.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// The data directory.
    #[arg(long, value_name = "DIR", default_value = "./data")]
    pub(crate) data: PathBuf,
    /// A running server; its token is read from NHATKY_TOKEN.
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
}

/// A span of time.
#[derive(Debug, Clone, Args)]
pub(crate) struct Span {
    /// Not before: RFC 3339, or like `now-15m`, `now-7d`.
    #[arg(long, value_name = "T")]
    pub(crate) from: Option<String>,
    /// Before: RFC 3339, or like `now-15m`.
    #[arg(long, value_name = "T")]
    pub(crate) to: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs everything: listeners, journal, index, detection, API.
    Serve(Serve),
    /// Runs everything in a temporary directory, fed with realistic traffic and attacks.
    Demo(Demo),
    /// Puts old log files (plain, gz, zst) into the journal.
    Import(Import),
    /// Lines in, one flat ECS JSON object a line out.
    Parse(Parse),
    /// Searches a running server, or a data directory that no server holds.
    Search(Search),
    /// Searches kept under a name: list, show, run, save, delete.
    #[command(subcommand)]
    Saved(Saved),
    /// Writes every event that a query finds to a file, however many.
    Export(Export),
    /// Shows events as they arrive.
    Tail(Tail),
    /// The rules: list, show, test, backtest; what a site changes about them: settings, set, unset, exceptions.
    #[command(subcommand)]
    Rules(Rules),
    /// The parser definitions: list, test, coverage, bench; what is not understood: unparsed, draft.
    #[command(subcommand)]
    Parsers(Parsers),
    /// Who sends what.
    Sources(Listing),
    /// Which of the six classes of events a sender has not sent, and what switches them on.
    Coach(Coach),
    /// Alerts: list, show, acknowledge, assign, close, reopen.
    #[command(subcommand)]
    Alerts(Alerts),
    /// What makes no alert for a time, and maintenance windows: list, add, end.
    #[command(subcommand)]
    Suppressions(Suppressions),
    /// The users, addresses and hosts that signs of attack add up for, the riskiest first.
    Risk(Listing),
    /// People who handle alerts: list, add, set, remove.
    #[command(subcommand)]
    People(People),
    /// What was, or may have been, lost.
    Losses(Listing),
    /// Checks the journal's hash chain and checksums; never repairs.
    Verify(Verify),
    /// Builds the index anew with today's parsers.
    Reindex(Reindex),
    /// Tokens: create, list, revoke.
    #[command(subcommand)]
    Token(Token),
    /// Explains every mistake in a configuration, by file and line.
    Check(Check),
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Serve {
    /// The configuration file; by default `config.toml` in the data directory, if it is there.
    #[arg(long, value_name = "F")]
    pub(crate) config: Option<PathBuf>,
    /// The data directory.
    #[arg(long, value_name = "DIR", default_value = "./data")]
    pub(crate) data: PathBuf,
    /// Where HTTP listens, in place of the configuration's address.
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<SocketAddr>,
    /// A syslog UDP listener, in place of the configuration's.
    #[arg(long, value_name = "ADDR")]
    pub(crate) syslog_udp: Option<SocketAddr>,
    /// A syslog TCP listener, in place of the configuration's.
    #[arg(long, value_name = "ADDR")]
    pub(crate) syslog_tcp: Option<SocketAddr>,
    /// A syslog TLS listener, in place of the configuration's; needs its certificate in the configuration.
    #[arg(long, value_name = "ADDR")]
    pub(crate) syslog_tls: Option<SocketAddr>,
    /// A RELP listener, in place of the configuration's.
    #[arg(long, value_name = "ADDR")]
    pub(crate) relp: Option<SocketAddr>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Demo {
    /// Where HTTP listens.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) http: SocketAddr,
    /// Where syslog listens, UDP and TCP.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5514")]
    pub(crate) syslog: SocketAddr,
    /// Everyday lines a second.
    #[arg(long, default_value_t = 50)]
    pub(crate) rate: u32,
    /// The seed of the traffic.
    #[arg(long, default_value_t = 17)]
    pub(crate) seed: u64,
    /// Stops by itself after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) seconds: Option<u64>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The name of the source; by default the file's name.
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// A record begins at each line that matches; the others belong to the one before.
    #[arg(long, value_name = "RE")]
    pub(crate) multiline: Option<String>,
    /// The time against which dates without a year are read; by default the file's own time.
    #[arg(long, value_name = "T")]
    pub(crate) reference_time: Option<String>,
    /// Runs the rules over what is imported, by the events' own time, and prints the detections.
    #[arg(long)]
    pub(crate) detect: bool,
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Framing {
    /// A record a line.
    Raw,
    /// `{"raw":…, "tz":…, "product_hint":…}` a line.
    Json,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Parse {
    /// The zone of dates without one: an IANA name, an abbreviation or an offset.
    #[arg(long, value_name = "ZONE")]
    pub(crate) tz: Option<String>,
    /// How records stand in the input.
    #[arg(long, value_enum, default_value = "raw")]
    pub(crate) framing: Framing,
    /// Shows which definition matched each record and why.
    #[arg(long)]
    pub(crate) explain: bool,
    /// The site's own parsers: the `content` folder of a data directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) content: Option<PathBuf>,
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Search {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) span: Span,
    /// How many events at most.
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
    /// Runs it and tells how it is answered: by what each condition, of which parts, and at what cost.
    #[arg(long)]
    pub(crate) explain: bool,
    /// One JSON object a line, also on a terminal.
    #[arg(long)]
    pub(crate) json: bool,
    /// What to look for; everything when left out.
    #[arg(default_value = "")]
    pub(crate) query: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Saved {
    /// One's own, and those that others share.
    List(Listing),
    /// One of them: query, span of time, owner, description.
    Show {
        #[command(flatten)]
        listing: Listing,
        /// Its name.
        name: String,
    },
    /// Asks it.
    Run {
        #[command(flatten)]
        listing: Listing,
        /// How many events at most.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Its name.
        name: String,
    },
    /// Keeps a search; what one has kept under that name says this instead.
    Save {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        span: Span,
        /// What it is for.
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
        /// Lets everybody who may search see it.
        #[arg(long)]
        shared: bool,
        /// Its name.
        name: String,
        /// The query.
        query: String,
    },
    /// Deletes one of one's own.
    Delete {
        #[command(flatten)]
        place: Place,
        /// Its name.
        name: String,
    },
}

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    /// A JSON object a line; the last line says that it is whole.
    Ndjson,
    /// Comma-separated values, RFC 4180.
    Csv,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) span: Span,
    /// How it is written.
    #[arg(long, value_enum, default_value = "ndjson")]
    pub(crate) format: ExportFormat,
    /// The fields of each event, with commas between them; nhatky.seq is always there.
    #[arg(long, value_name = "A,B,C")]
    pub(crate) fields: Option<String>,
    /// Begins CSV with a byte order mark, for old spreadsheets.
    #[arg(long)]
    pub(crate) bom: bool,
    /// The file, which must not be there yet; standard output when left out.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Goes on with a file whose export was cut, with the same query, span and fields; a torn last line is taken off.
    /// Write times out: `now-1h` means another time than when it began.
    #[arg(long, requires = "output")]
    pub(crate) resume: bool,
    /// What to export; everything when left out.
    #[arg(default_value = "")]
    pub(crate) query: String,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Tail {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Events a second at most, up to 1000; how many were left out is said.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) rate: u32,
    /// One JSON object a line, also on a terminal.
    #[arg(long)]
    pub(crate) json: bool,
    /// What to show; everything when left out.
    #[arg(default_value = "")]
    pub(crate) query: String,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Listing {
    #[command(flatten)]
    pub(crate) place: Place,
    /// One JSON object a line, also on a terminal.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// The rules, each with its disposition.
    List(Content),
    /// One rule: what it sees, its thresholds and where they come from.
    Show {
        #[command(flatten)]
        content: Content,
        /// The rule's identifier.
        id: String,
    },
    /// What a rule saw on each day, and what it could not see: what "nothing found" means.
    Days {
        #[command(flatten)]
        place: Place,
        /// The rule's identifier.
        id: String,
        /// How many days up to today, 400 at most.
        #[arg(long, default_value_t = 7)]
        days: u32,
        /// JSON.
        #[arg(long)]
        json: bool,
    },
    /// Runs the sample lines beside each rule through the parsers and the rule.
    Test(Content),
    /// Runs the rules over what the journal keeps: what they find, how much of it from which source, and what it costs.
    Backtest(Backtest),
    /// What is set about a rule here, with its exceptions; what the configuration sets is not among it.
    Settings {
        #[command(flatten)]
        listing: Listing,
        /// The rule's identifier.
        id: String,
    },
    /// Sets something about a rule: switches it off or on, promotes its detections, changes its numbers.
    Set(SetRule),
    /// Gives back the value from the configuration, or the rule's own.
    Unset(UnsetRule),
    /// The exceptions that hold.
    Exceptions(Listing),
    /// Makes an exception: events that a rule is not to see.
    Except(AddException),
    /// Ends an exception now.
    EndException {
        #[command(flatten)]
        place: Place,
        /// Its number.
        number: u64,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Backtest {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) span: Span,
    /// One rule only.
    #[arg(long, value_name = "ID")]
    pub(crate) rule: Option<String>,
    /// One JSON object a line: the detections, then the figures as `summary`.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whether a change is made at once, only shown, or shown and asked about.
#[derive(Debug, Clone, Args)]
pub(crate) struct Asking {
    /// Makes the change at once: what it would have done is neither shown nor asked about.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Only shows what the change would have done on the last seven days.
    #[arg(long, conflicts_with = "yes")]
    pub(crate) preview: bool,
    /// Shows that as JSON, also on a terminal.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SetRule {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) asking: Asking,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// The rule's identifier.
    pub(crate) id: String,
    /// What: enabled, disposition, threshold, window, learning, at_least or samples.
    pub(crate) name: String,
    /// Its value: `true`, `queue`, `40`, `10m`.
    pub(crate) value: String,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct UnsetRule {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) asking: Asking,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// The rule's identifier.
    pub(crate) id: String,
    /// What, as in `nhatky rules set`.
    pub(crate) name: String,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct AddException {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) asking: Asking,
    /// The rule's identifier; every rule when left out.
    #[arg(long, value_name = "ID")]
    pub(crate) rule: Option<String>,
    /// Who answers for it.
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// From when on it holds no more: RFC 3339, or like `now+30d`; at most a year from now.
    #[arg(long, value_name = "T")]
    pub(crate) expires: String,
    /// Which events, such as `source.ip:10.0.0.7 AND user.name:scanner`.
    pub(crate) query: String,
}

/// Content tools work without a server.
#[derive(Debug, Clone, Args)]
pub(crate) struct Content {
    /// The site's own parsers and rules: the `content` folder of a data directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) content: Option<PathBuf>,
    /// One JSON object a line, also on a terminal.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Parsers {
    /// The definitions.
    List(Content),
    /// Runs each definition's samples and compares with the events stated.
    Test {
        #[command(flatten)]
        content: Content,
        /// Writes the stated events anew from what the samples give now; look at the difference before you keep it.
        #[arg(long)]
        bless: bool,
        /// Also names the slots and keys of each definition that no sample notices.
        #[arg(long)]
        unnoticed: bool,
        /// The products to test; all when left out.
        #[arg(value_name = "PRODUCT")]
        products: Vec<String>,
    },
    /// What each definition knows: messages, classes, samples.
    Coverage {
        #[command(flatten)]
        content: Content,
        /// Writes the page `docs/parser-coverage.md`.
        #[arg(long)]
        markdown: bool,
        /// The products; all when left out.
        #[arg(value_name = "PRODUCT")]
        products: Vec<String>,
    },
    /// What a line of each product costs.
    Bench {
        #[command(flatten)]
        content: Content,
        /// The products; all when left out.
        #[arg(value_name = "PRODUCT")]
        products: Vec<String>,
    },
    /// The JSON Schema of `parser.toml`, for editors.
    Schema,
    /// The work queue: what is not understood, by its shape, the most urgent first.
    Unparsed(Unparsed),
    /// Writes the beginning of a definition, with samples, from lines that are not understood.
    Draft(Draft),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Coach {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Only this sender, as `nhatky sources` names it.
    #[arg(value_name = "SENDER")]
    pub(crate) sender: Option<String>,
    /// How many days back events count.
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub(crate) days: u32,
    /// Waits until the first event of this class comes from the sender.
    #[arg(long, value_name = "CLASS")]
    pub(crate) wait: Option<String>,
    /// One JSON object a line, also on a terminal.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which lines that are not understood.
#[derive(Debug, Clone, Args)]
pub(crate) struct UnparsedAsked {
    /// Only events that match.
    #[arg(long, value_name = "QUERY")]
    pub(crate) query: Option<String>,
    #[command(flatten)]
    pub(crate) span: Span,
    /// How many lines are looked at, the newest first.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub(crate) lines: usize,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Unparsed {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) asked: UnparsedAsked,
    /// How many shapes are shown.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
    /// One JSON object a line, also on a terminal.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Draft {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The product's name, VENDOR.PRODUCT; of a known product, messages are added to its definition.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// A file with lines; standard input when left out.
    #[arg(value_name = "FILE", conflicts_with = "cluster")]
    pub(crate) file: Option<PathBuf>,
    /// In place of a file the samples of this shape, as `parsers unparsed` numbers it; may be given several times.
    #[arg(long, value_name = "ID")]
    pub(crate) cluster: Vec<String>,
    #[command(flatten)]
    pub(crate) asked: UnparsedAsked,
    /// The folder to write to; `content` in the data directory when left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) content: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Alerts {
    /// The alerts, newest first.
    List {
        #[command(flatten)]
        listing: Listing,
        /// Closed ones, too.
        #[arg(long)]
        all: bool,
        /// Only those in this person's hand.
        #[arg(long, value_name = "NAME", conflicts_with = "unassigned")]
        assignee: Option<String>,
        /// Only those in nobody's hand.
        #[arg(long)]
        unassigned: bool,
    },
    /// One alert with its evidence.
    Show {
        #[command(flatten)]
        listing: Listing,
        id: i64,
    },
    /// Says that somebody looks at it.
    Ack {
        #[command(flatten)]
        place: Place,
        id: i64,
    },
    /// Ends it.
    Close {
        #[command(flatten)]
        place: Place,
        id: i64,
        /// resolved, false_positive, accepted or duplicate.
        #[arg(long, default_value = "resolved")]
        resolution: String,
        /// Why, for those who read it later.
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Ends many at once: without --confirm it shows how many and which.
    CloseMany(CloseMany),
    /// Opens a closed one again.
    Reopen {
        #[command(flatten)]
        place: Place,
        id: i64,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Puts it into somebody's hand.
    Assign {
        #[command(flatten)]
        place: Place,
        id: i64,
        /// A person's name; one's own when left out.
        name: Option<String>,
        /// For those who read it later.
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Sets how grave it is; the level proposed stays visible.
    Severity {
        #[command(flatten)]
        place: Place,
        id: i64,
        /// low, medium, high or urgent.
        level: String,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Takes it out of everybody's hand.
    Release {
        #[command(flatten)]
        place: Place,
        id: i64,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CloseMany {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Those with these numbers, with commas between them, in place of the filters below.
    #[arg(long, value_name = "N,N", value_delimiter = ',', conflicts_with_all = ["rule", "entity", "state", "severity", "before"])]
    pub(crate) ids: Vec<u64>,
    /// Those of this rule.
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Option<String>,
    /// Those about this entity: `user:root`, `address:10.0.0.5`, `host:db1`.
    #[arg(long, value_name = "KIND:NAME")]
    pub(crate) entity: Option<String>,
    /// Those in this state.
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// Those of this severity.
    #[arg(long, value_name = "LEVEL")]
    pub(crate) severity: Option<String>,
    /// Those with no event since: RFC 3339, or like `now-7d`.
    #[arg(long, value_name = "T")]
    pub(crate) before: Option<String>,
    /// resolved, false_positive, accepted or duplicate.
    #[arg(long, default_value = "resolved")]
    pub(crate) resolution: String,
    /// Why, for those who read it later.
    #[arg(long, default_value = "")]
    pub(crate) comment: String,
    /// What was shown: closes exactly those.
    #[arg(long, value_name = "N-HASH")]
    pub(crate) confirm: Option<String>,
    /// One JSON object, also on a terminal.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Suppressions {
    /// Those that hold or have yet to begin, and when each ends.
    List {
        #[command(flatten)]
        listing: Listing,
        /// Those that are over, too.
        #[arg(long)]
        all: bool,
    },
    /// Makes one: what it holds for is stored and marked, and makes no alert. Of what is named, each must be met.
    Add(AddSuppression),
    /// Ends one now, or before it begins.
    End {
        #[command(flatten)]
        place: Place,
        id: u64,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct AddSuppression {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Detections of this rule; may be given several times, for one of several.
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Vec<String>,
    /// About this entity: `user:root`, `address:10.0.0.5`, `host:db1`; may be given several times.
    #[arg(long, value_name = "KIND:NAME")]
    pub(crate) entity: Vec<String>,
    /// With this host or device; may be given several times.
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Vec<String>,
    /// With this fact, such as `source.ip=10.2.*`; may be given several times, all to be met.
    #[arg(long, value_name = "FIELD=VALUE")]
    pub(crate) fact: Vec<String>,
    /// For those that call someone, too.
    #[arg(long)]
    pub(crate) pages: bool,
    /// From when on: RFC 3339, or like `now+2h`; now when left out.
    #[arg(long, value_name = "T")]
    pub(crate) from: Option<String>,
    /// From when on no more: RFC 3339, or like `now+7d`; at most 90 days later.
    #[arg(long, value_name = "T")]
    pub(crate) until: String,
    /// Who answers for it: a person's name; oneself when left out.
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum People {
    /// Who there is, and how they are reached.
    List {
        #[command(flatten)]
        listing: Listing,
        /// Those who were removed, too.
        #[arg(long)]
        removed: bool,
    },
    /// Adds a person.
    Add {
        #[command(flatten)]
        place: Place,
        /// A way to reach them, such as `email:an@tiengiang.gov.vn` or `phone:+842733873222`; may be given several times.
        #[arg(long, value_name = "KIND:VALUE")]
        contact: Vec<String>,
        /// The name of a token or an account that is theirs; may be given several times.
        #[arg(long, value_name = "NAME")]
        account: Vec<String>,
        /// Their name.
        name: String,
    },
    /// Changes a person: what is given replaces what was there.
    Set {
        #[command(flatten)]
        place: Place,
        /// Their name from now on.
        #[arg(long, value_name = "NAME")]
        rename: Option<String>,
        /// A way to reach them; those given replace all that were there.
        #[arg(long, value_name = "KIND:VALUE")]
        contact: Vec<String>,
        /// The name of a token or an account that is theirs; those given replace all that were there.
        #[arg(long, value_name = "NAME")]
        account: Vec<String>,
        /// Their name.
        name: String,
    },
    /// Removes a person; their name stays on what they had in hand.
    Remove {
        #[command(flatten)]
        place: Place,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Their name.
        name: String,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Verify {
    /// The data directory; it may be in use.
    #[arg(long, value_name = "DIR", default_value = "./data")]
    pub(crate) data: PathBuf,
    /// Only partitions that hold records received since.
    #[arg(long, value_name = "T")]
    pub(crate) since: Option<String>,
    /// One JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Reindex {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) span: Span,
    /// Only where this parser reads something today, or where its change has made the index stale.
    #[arg(long, value_name = "PRODUCT")]
    pub(crate) parser: Option<String>,
    /// The reply as JSON, also on a terminal.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Makes a token and prints it alone.
    Create {
        #[command(flatten)]
        place: Place,
        /// ingest, read or admin.
        #[arg(long)]
        role: String,
        /// Its name; by default its role.
        #[arg(long)]
        name: Option<String>,
    },
    /// The tokens, without their secrets.
    List(Listing),
    /// Ends a token at once.
    Revoke {
        #[command(flatten)]
        place: Place,
        name: String,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Check {
    /// The configuration file.
    #[arg(long, value_name = "F")]
    pub(crate) config: Option<PathBuf>,
    /// Prints the JSON Schema of the configuration instead.
    #[arg(long)]
    pub(crate) schema: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
