//! The commands, one file each.

pub(crate) mod alerts;
pub(crate) mod backtest;
pub(crate) mod check;
pub(crate) mod coach;
pub(crate) mod demo;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod listing;
pub(crate) mod parse;
pub(crate) mod parsers;
pub(crate) mod people;
pub(crate) mod reindex;
pub(crate) mod rule_changes;
pub(crate) mod rule_days;
pub(crate) mod rule_preview;
pub(crate) mod rules;
pub(crate) mod saved;
pub(crate) mod search;
pub(crate) mod serve;
pub(crate) mod suppressions;
pub(crate) mod token;
pub(crate) mod unparsed;
pub(crate) mod verify;
