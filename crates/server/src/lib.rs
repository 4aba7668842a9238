//! The HTTP port: search, live tail, rules, detections, alerts, people, sources, losses, tokens, metrics, health.
//!
//! [`routes`] makes a router of what the binary hands in ([`Parts`]) and mounts the routers of others (input over HTTP
//! is `ingest`'s); [`HttpServer`] serves it. Answers are JSON; what goes wrong is `application/problem+json` with a
//! stable `type`. `/api/v1/openapi.json` describes everything. Not here: what an answer is made of. A [`Backtest`] goes through
//! a [`Replay`] of what is kept; the binary runs one on a data directory as a server runs it as a job.
//!
//! ```no_run
//! # async fn serve(parts: server::Parts, input: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use server::{Access, HttpServer};
//!
//! let routes = server::routes(parts, Access::Tokens, input);
//! let server = HttpServer::start(([127, 0, 0, 1], 8080).into(), None, routes).await?;
//! println!("listening on {}", server.address());
//! server.stop(Duration::from_secs(10)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Always true: nobody without a token of the right role sees or changes anything, but for health, and for callers on
//! loopback as long as there is no token; requests for other hosts and from pages of other origins are refused; every
//! search and administrative act goes on record in the journal; a search ends when its asker leaves, and within its
//! budget.

mod access;
mod alike;
mod api;
mod app;
mod backtest;
mod backtest_jobs;
mod connections;
mod csv;
mod elastic;
mod entity_history;
mod evidence_query;
mod export_format;
mod export_pages;
mod extract;
mod guard;
mod health;
mod http;
mod imports;
mod known_losses;
mod lookups;
mod metrics;
mod nearest;
mod nothing;
mod own_records;
mod own_thread;
mod parts;
mod pipes;
mod preview;
mod previews;
mod problem;
mod question;
mod recorder;
mod replay;
mod routes;
mod said;
mod search_history;
mod searches;
mod tail_rate;
mod turns;

pub use access::Access;
pub use backtest::{Backtest, BacktestFigures, EvictedFigures, RuleFigures, SourceFigures};
pub use http::{HttpServer, ServeError, TlsFiles};
pub use imports::{ImportError, ImportedFile, ImportedMessage, Imports};
pub use lookups::Lookups;
pub use parts::{DetectorVitals, Options, Parts, Products, RuleTrials, Vitals};
pub use problem::ProblemBody;
pub use replay::{Allowance, Passage, Replay, Shortfall, depth_for};
pub use routes::{openapi, routes};
