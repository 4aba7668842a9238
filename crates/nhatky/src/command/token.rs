//! `nhatky token`.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use event::SystemClock;
use registry::{Actor, NewToken, Registry, Role};
use serde_json::json;

use super::listing::{self, Column, List, Show};
use crate::cli::{Place, Token};
use crate::client::Client;
use crate::data_dir::DataDir;
use crate::output;
use crate::texts::Texts;

const COLUMNS: &[Column] = &[
    Column("column.name", "/name", Show::Plain),
    Column("column.role", "/role", Show::Plain),
    Column("column.first", "/created_at", Show::Time),
    Column("column.last", "/last_used_at", Show::Time),
];

pub(crate) async fn run(command: Token, texts: &Texts) -> Result<()> {
    match command {
        Token::Create { place, role, name } => create(&place, &role, name, texts).await,
        Token::List(listing) => {
            let list = List {
                path: "/api/v1/tokens",
                query: Vec::new(),
                columns: COLUMNS,
                none: "search.none",
            };
            listing::run(&listing, list, texts).await
        }
        Token::Revoke { place, name } => {
            let client = Client::open(&place).await?;
            let revoked = client.delete(&format!("/api/v1/tokens/{name}")).await;
            client.close().await?;
            revoked.map(drop)
        }
    }
}

async fn create(place: &Place, role: &str, name: Option<String>, texts: &Texts) -> Result<()> {
    let name = name.unwrap_or_else(|| role.to_owned());
    let secret = if place.server.is_some() {
        let body = json!({ "name": name, "role": role });
        let created = listing::act(place, "/api/v1/tokens", &body).await?;
        created["secret"]
            .as_str()
            .context("the server named no secret")?
            .to_owned()
    } else {
        create_here(place, role, &name).await?
    };
    output::note(&texts.say("token.created", &[("name", &name), ("role", &role)]))?;
    // Alone on standard output, for scripts.
    output::line(&secret)
}

/// Needs the registry alone: the journal learns of it when the server starts.
async fn create_here(place: &Place, role: &str, name: &str) -> Result<String> {
    let role =
        Role::from_name(role).ok_or_else(|| anyhow!("no role {role:?}: ingest, read or admin"))?;
    let data = DataDir::take(&place.data)?;
    let registry = Registry::open(&data.registry(), Arc::new(SystemClock::new())).await?;
    let new = NewToken {
        name: name.to_owned(),
        role,
        expires_at: None,
    };
    let created = registry.create_token(&Actor::cli(), new).await;
    registry.close().await;
    Ok(created?.secret.expose().to_owned())
}
