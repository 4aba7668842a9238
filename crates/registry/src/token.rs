//! Access tokens: 256 random bits, shown once, kept as their SHA-256.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use event::Micros;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::{SqlitePool, SqliteRow};

use crate::row::Columns;
use crate::{Actor, Registry, StoreError};

/// Tells our secrets from others in logs and leak scanners.
const PREFIX: &str = "nk_";
const NAME_CHARS_MAX: usize = 64;

event::vocabulary! {
    /// What the bearer of a token may do.
    Role {
        /// Send logs.
        Ingest = "ingest",
        /// Search, and see what is going on.
        Read = "read",
        /// Everything.
        Admin = "admin",
    }
}

/// A token as lists show it: never with its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Identity: 8 hexadecimal digits.
    pub id: String,
    /// Whose it is; what it sends has the sender `token:NAME`.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Micros,
    /// From when on it is refused; `None` for never.
    pub expires_at: Option<Micros>,
    /// When it was last seen, as of the last [`Registry::save_token_use`].
    pub last_used_at: Option<Micros>,
    /// When it was revoked.
    pub revoked_at: Option<Micros>,
}

/// What a token to be made shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// 1 to 64 letters, digits, `.`, `_` or `-`; no other living token may have it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// From when on it is refused; `None` for never.
    pub expires_at: Option<Micros>,
}

/// A token just made, with the only sight of its secret.
#[derive(Clone, Debug)]
pub struct CreatedToken {
    /// The token as it will be listed.
    pub token: Token,
    /// What the bearer presents.
    pub secret: Secret,
}

/// A secret: printed only on purpose.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text to hand to its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Who presented a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The token's identity.
    pub id: Arc<str>,
    /// The token's name.
    pub name: Arc<str>,
    /// What it may do.
    pub role: Role,
}

/// Why a token was not made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Empty, too long, or with other characters.
    #[error("{name:?} is no name for a token: use 1 to 64 letters, digits, `.`, `_` or `-`")]
    NameInvalid {
        /// The name given.
        name: String,
    },
    /// Another living token has the name.
    #[error("a token named {name:?} exists: revoke it first, or choose another name")]
    NameTaken {
        /// The name given.
        name: String,
    },
    /// No living token has that name or identity.
    #[error("there is no living token {name:?}: `nhatky token list` shows them")]
    NotFound {
        /// The name or identity given.
        name: String,
    },
    /// The registry failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Registry {
    /// Makes a token. Its secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// When the name is not one or is taken, or the database fails.
    pub async fn create_token(
        &self,
        by: &Actor,
        new: NewToken,
    ) -> Result<CreatedToken, TokenError> {
        if !is_name(&new.name) {
            return Err(TokenError::NameInvalid { name: new.name });
        }
        let secret = Secret(format!("{PREFIX}{}", random_hex::<32>()));
        let digest = digest(secret.expose());
        let mut write = self.write().await?;
        let token = Token {
            id: random_hex::<4>(),
            name: new.name,
            role: new.role,
            created_at: write.now(),
            expires_at: new.expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        let inserted = sqlx::query(
            "INSERT INTO tokens (id, name, role, secret_sha256, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        )
        .bind(&token.id)
        .bind(&token.name)
        .bind(token.role.name())
        .bind(hex(&digest))
        .bind(token.created_at.0)
        .bind(token.expires_at.map(|at| at.0))
        .execute(&mut *write.transaction)
        .await
        .map_err(StoreError::from)?;
        if inserted.rows_affected() == 0 {
            return Err(TokenError::NameTaken { name: token.name });
        }
        write
            .audit(
                by,
                "token-created",
                &format!("{} ({})", token.name, token.role),
            )
            .await?;
        write.commit().await?;
        self.tokens.admit(digest, &token);
        Ok(CreatedToken { token, secret })
    }

    /// Revokes the living token with that name or identity; it is refused from now on.
    ///
    /// # Errors
    /// When there is none, or the database fails; then it is refused all the same, until the next start.
    pub async fn revoke_token(&self, by: &Actor, name_or_id: &str) -> Result<Token, TokenError> {
        let mut write = self.write().await?;
        let row = sqlx::query(
            "UPDATE tokens SET revoked_at = $1 WHERE id = (
                 SELECT id FROM tokens WHERE (name = $2 OR id = $2) AND revoked_at IS NULL
                 ORDER BY CASE WHEN name = $2 THEN 0 ELSE 1 END LIMIT 1)
             RETURNING *",
        )
        .bind(write.now().0)
        .bind(name_or_id)
        .fetch_optional(&mut *write.transaction)
        .await
        .map_err(StoreError::from)?;
        let Some(row) = row else {
            return Err(TokenError::NotFound {
                name: name_or_id.to_owned(),
            });
        };
        let token = token(&row)?;
        write.audit(by, "token-revoked", &token.name).await?;
        // Before the commit: whoever stops waiting for it half-way must not leave a revoked token alive in memory.
        self.tokens.dismiss(&token.id);
        write.commit().await?;
        Ok(token)
    }

    /// Every token, revoked ones too, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let rows = sqlx::query("SELECT * FROM tokens ORDER BY name, created_at")
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(token).collect()
    }

    /// Whether a token was ever made, be it revoked or expired since.
    ///
    /// What is open until there are tokens is open by this: it does not open again when the last one ends.
    #[must_use]
    pub fn has_tokens(&self) -> bool {
        self.tokens.ever_any.load(Ordering::Relaxed)
    }

    /// Whether there is a token that is neither revoked nor expired.
    #[must_use]
    pub fn has_living_token(&self) -> bool {
        self.tokens.any_living(self.clock.now())
    }

    /// Who presents this secret; `None` if nobody may. Answered from memory: quick, and never waits.
    #[must_use]
    pub fn authenticate(&self, secret: &str) -> Option<Principal> {
        // What is compared is a digest that the caller cannot choose, so that the time it takes tells nothing.
        self.tokens.admitted(&digest(secret), self.clock.now())
    }

    /// Writes down when each token was last used; call it now and then and before closing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn save_token_use(&self) -> Result<(), StoreError> {
        let used = self.tokens.used();
        if used.is_empty() {
            return Ok(());
        }
        let mut write = self.write().await?;
        for (id, at) in used {
            sqlx::query("UPDATE tokens SET last_used_at = $1 WHERE id = $2")
                .bind(at)
                .bind(&*id)
                .execute(&mut *write.transaction)
                .await?;
        }
        write.commit().await
    }
}

/// The living tokens in memory, by the digest of their secrets.
///
/// Sound because one process holds a data directory at a time.
#[derive(Debug, Default)]
pub(crate) struct TokenTable {
    living: RwLock<HashMap<[u8; 32], Living>>,
    ever_any: AtomicBool,
}

#[derive(Debug)]
struct Living {
    principal: Principal,
    expires_at: Option<Micros>,
    /// [`NEVER_USED`] until it is.
    last_used_at: AtomicI64,
}

const NEVER_USED: i64 = i64::MIN;

impl Living {
    fn holds_at(&self, now: Micros) -> bool {
        self.expires_at.is_none_or(|expiry| now < expiry)
    }
}

impl TokenTable {
    pub(crate) async fn load(readers: &SqlitePool) -> Result<Self, StoreError> {
        let rows = sqlx::query("SELECT * FROM tokens")
            .fetch_all(readers)
            .await?;
        let table = Self::default();
        table.ever_any.store(!rows.is_empty(), Ordering::Relaxed);
        for row in &rows {
            let digest = row.word("secret_sha256", from_hex)?;
            let token = token(row)?;
            if token.revoked_at.is_none() {
                table.admit(digest, &token);
            }
        }
        Ok(table)
    }

    fn admit(&self, digest: [u8; 32], token: &Token) {
        let living = Living {
            principal: Principal {
                id: token.id.as_str().into(),
                name: token.name.as_str().into(),
                role: token.role,
            },
            expires_at: token.expires_at,
            last_used_at: AtomicI64::new(NEVER_USED),
        };
        self.write().insert(digest, living);
        self.ever_any.store(true, Ordering::Relaxed);
    }

    fn dismiss(&self, id: &str) {
        self.write().retain(|_, living| &*living.principal.id != id);
    }

    fn admitted(&self, digest: &[u8; 32], now: Micros) -> Option<Principal> {
        let living = self.read();
        let living = living.get(digest).filter(|living| living.holds_at(now))?;
        living.last_used_at.store(now.0, Ordering::Relaxed);
        Some(living.principal.clone())
    }

    fn any_living(&self, now: Micros) -> bool {
        self.read().values().any(|living| living.holds_at(now))
    }

    fn used(&self) -> Vec<(Arc<str>, i64)> {
        let living = self.read();
        let uses = living.values().map(|living| {
            let at = living.last_used_at.load(Ordering::Relaxed);
            (Arc::clone(&living.principal.id), at)
        });
        uses.filter(|(_, at)| *at != NEVER_USED).collect()
    }

    // A panic while the lock was held cannot have left the map half-changed: each holder makes one change.
    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<[u8; 32], Living>> {
        self.living.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<[u8; 32], Living>> {
        self.living.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn token(row: &SqliteRow) -> Result<Token, StoreError> {
    Ok(Token {
        id: row.text("id")?,
        name: row.text("name")?,
        role: row.word("role", Role::from_name)?,
        created_at: row.at("created_at")?,
        expires_at: row.at_if_any("expires_at")?,
        last_used_at: row.at_if_any("last_used_at")?,
        revoked_at: row.at_if_any("revoked_at")?,
    })
}

fn is_name(name: &str) -> bool {
    let allowed = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '-');
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(allowed)
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// `BYTES` random bytes from the system, in hexadecimal.
pub(crate) fn random_hex<const BYTES: usize>() -> String {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).expect("the system always has randomness once it runs");
    hex(&bytes)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let pairs = text.as_bytes().chunks_exact(2);
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_from_hexadecimal() {
        let digest = digest("nk_example");
        assert_eq!(from_hex(&hex(&digest)), Some(digest));
        assert_eq!(from_hex("00"), None);
        assert_eq!(from_hex(&"g".repeat(64)), None);
    }

    #[test]
    fn names_are_safe_in_sources_and_on_command_lines() {
        for name in ["web-1", "a", "A.b_c"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "a b", "a/b", "é", &"x".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_secret_is_not_printed_by_accident() {
        assert_eq!(format!("{:?}", Secret("nk_1".to_owned())), "Secret(…)");
    }
}
