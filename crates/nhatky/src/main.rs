//! The `nhatky` program.

mod access;
mod audit;
mod cli;
mod client;
mod command;
mod config;
mod data_dir;
mod detector_memory;
mod device_clocks;
mod export_file;
mod kept_events;
mod log_file;
mod metrics;
mod mistakes;
mod node;
mod output;
mod own_log;
mod pipeline;
mod sequence_gaps;
mod terminal;
mod texts;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::command::listing::{self, Column, List, Show};
use crate::texts::{Language, Texts};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Two providers of cryptography in one process panic when TLS starts: this is the only one.
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nobody was here before");
    let cli = Cli::parse();
    let texts = Texts::new(cli.lang.unwrap_or_else(Language::of_environment));
    match run(cli.command, &texts) {
        Ok(code) => code,
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if standard error is gone, too.
            drop(output::note(&format!("nhatky: {error:#}")));
            ExitCode::from(2)
        }
    }
}

fn run(command: Command, texts: &Texts) -> Result<ExitCode> {
    // These need neither threads nor a server.
    match command {
        Command::Parse(args) => return command::parse::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Verify(args) => return command::verify::run(&args, texts),
        Command::Check(args) => return command::check::run(&args, texts),
        Command::Serve(_) => own_log::start("info"),
        _ => own_log::start("warn"),
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run_async(command, texts))
}

async fn run_async(command: Command, texts: &Texts) -> Result<ExitCode> {
    let done = match command {
        Command::Serve(args) => command::serve::run(args).await,
        Command::Demo(args) => command::demo::run(args, texts).await,
        Command::Import(args) => command::import::run(args, texts).await,
        Command::Search(args) => command::search::run(args, texts).await,
        Command::Export(args) => command::export::run(args, texts).await,
        Command::Saved(command) => command::saved::run(command, texts).await,
        Command::Tail(args) => command::search::tail(args, texts).await,
        Command::Rules(command) => return command::rules::run(command, texts).await,
        Command::Sources(listing) => listing::run(&listing, SOURCES, texts).await,
        Command::Coach(args) => return command::coach::run(args, texts).await,
        Command::Losses(listing) => listing::run(&listing, LOSSES, texts).await,
        Command::Alerts(command) => command::alerts::run(command, texts).await,
        Command::Risk(listing) => listing::run(&listing, RISK, texts).await,
        Command::Suppressions(command) => command::suppressions::run(command, texts).await,
        Command::People(command) => command::people::run(command, texts).await,
        Command::Reindex(args) => command::reindex::run(args, texts).await,
        Command::Token(command) => command::token::run(command, texts).await,
        Command::Parsers(command) => return command::parsers::run(&command, texts).await,
        Command::Parse(_) | Command::Verify(_) | Command::Check(_) => Ok(()),
    };
    done.map(|()| ExitCode::SUCCESS)
}

const SOURCES: List<'static> = List {
    path: "/api/v1/sources",
    query: Vec::new(),
    columns: &[
        Column("column.source", "/sender", Show::Plain),
        Column("column.product", "/product", Show::Plain),
        Column("column.category", "/category", Show::Plain),
        Column("column.count", "/events", Show::Plain),
        Column("column.first", "/first_seen", Show::Time),
        Column("column.last", "/last_seen", Show::Time),
        Column("column.clock", "/clocks", Show::Clocks),
    ],
    none: "search.none",
};

const RISK: List<'static> = List {
    path: "/api/v1/entities",
    query: Vec::new(),
    columns: &[
        Column("column.category", "/entity/kind", Show::Plain),
        Column("column.entity", "/entity/name", Show::Plain),
        Column("column.score", "/score", Show::Plain),
        Column("column.limit", "/limit", Show::Plain),
        Column("column.rule", "/rules", Show::Points),
        Column("column.last", "/last_at", Show::Time),
    ],
    none: "risk.none",
};

const LOSSES: List<'static> = List {
    path: "/api/v1/losses",
    query: Vec::new(),
    columns: &[
        Column("column.first", "/from", Show::Time),
        Column("column.last", "/to", Show::Time),
        Column("column.cause", "/cause", Show::Plain),
        Column("column.source", "/source", Show::Plain),
        Column("column.records", "/records_max", Show::Plain),
        Column("column.detail", "/detail", Show::Plain),
    ],
    none: "losses.none",
};
