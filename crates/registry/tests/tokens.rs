//! Tokens: who holds the secret is let in, until the token is revoked or expires; the secret itself is nowhere on disk.

use std::sync::Arc;
use std::time::Duration;

use event::{Clock as _, ManualClock, Micros};
use registry::{Actor, NewToken, Registry, Role, TokenError};

struct Site {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl Site {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            clock: Arc::new(ManualClock::at(Micros(1_000_000_000))),
        }
    }

    async fn open(&self) -> Registry {
        let clock = Arc::<ManualClock>::clone(&self.clock);
        let path = self.folder.path().join("registry.sqlite");
        Registry::open(&path, clock).await.expect("it opens")
    }
}

fn new_token(name: &str, role: Role) -> NewToken {
    NewToken {
        name: name.to_owned(),
        role,
        expires_at: None,
    }
}

#[tokio::test]
async fn a_token_is_known_after_a_restart_until_it_is_revoked() {
    let site = Site::new();
    let registry = site.open().await;
    assert!(!registry.has_tokens());
    let admin = Actor::cli();
    let made = registry
        .create_token(&admin, new_token("web1", Role::Ingest))
        .await
        .unwrap();
    assert!(made.secret.expose().len() > 64);
    registry.close().await;

    let registry = site.open().await;
    assert!(registry.has_tokens());
    let principal = registry.authenticate(made.secret.expose()).unwrap();
    assert_eq!((&*principal.name, principal.role), ("web1", Role::Ingest));
    assert_eq!(registry.authenticate("nk_guess"), None);
    assert_eq!(registry.authenticate(""), None);

    registry.revoke_token(&admin, "web1").await.unwrap();
    assert_eq!(registry.authenticate(made.secret.expose()), None);
    let again = registry.revoke_token(&admin, "web1").await;
    assert!(matches!(again, Err(TokenError::NotFound { .. })));
    registry.close().await;
    let registry = site.open().await;
    assert_eq!(registry.authenticate(made.secret.expose()), None);
    assert!(registry.has_tokens() && !registry.has_living_token());
}

#[tokio::test]
async fn a_token_ends_at_its_expiry() {
    let site = Site::new();
    let registry = site.open().await;
    let expires_at = site.clock.now().after(Duration::from_secs(60));
    let new = NewToken {
        expires_at: Some(expires_at),
        ..new_token("short", Role::Read)
    };
    let made = registry.create_token(&Actor::cli(), new).await.unwrap();
    site.clock.advance(Duration::from_millis(59_999));
    assert!(registry.authenticate(made.secret.expose()).is_some());
    site.clock.advance(Duration::from_millis(1));
    assert!(registry.authenticate(made.secret.expose()).is_none());
    assert!(!registry.has_living_token());
    assert!(registry.has_tokens(), "what tokens closed stays closed");
}

#[tokio::test]
async fn a_name_is_given_once_until_it_is_free_again() {
    let site = Site::new();
    let registry = site.open().await;
    let admin = Actor::cli();
    let first = registry
        .create_token(&admin, new_token("fw", Role::Ingest))
        .await
        .unwrap();
    let second = registry
        .create_token(&admin, new_token("fw", Role::Admin))
        .await;
    assert!(matches!(second, Err(TokenError::NameTaken { .. })));
    let unnamed = registry
        .create_token(&admin, new_token("a b", Role::Admin))
        .await;
    assert!(matches!(unnamed, Err(TokenError::NameInvalid { .. })));

    registry
        .revoke_token(&admin, &first.token.id)
        .await
        .unwrap();
    let third = registry
        .create_token(&admin, new_token("fw", Role::Read))
        .await
        .unwrap();
    assert_eq!(
        registry.authenticate(third.secret.expose()).unwrap().role,
        Role::Read
    );
    assert_eq!(registry.tokens().await.unwrap().len(), 2);
}

#[tokio::test]
async fn no_file_holds_a_secret_or_is_open_to_others() {
    use std::os::unix::fs::PermissionsExt as _;

    let site = Site::new();
    let registry = site.open().await;
    let made = registry
        .create_token(&Actor::cli(), new_token("web1", Role::Admin))
        .await
        .unwrap();
    let secret = made.secret.expose().trim_start_matches("nk_").as_bytes();
    for file in std::fs::read_dir(site.folder.path()).unwrap() {
        let file = file.unwrap();
        let bytes = std::fs::read(file.path()).unwrap();
        let found = bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!found, "{:?}", file.path());
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", file.path());
    }
}

#[tokio::test]
async fn the_last_use_is_saved() {
    let site = Site::new();
    let registry = site.open().await;
    let made = registry
        .create_token(&Actor::cli(), new_token("web1", Role::Read))
        .await
        .unwrap();
    site.clock.advance(Duration::from_secs(5));
    registry.authenticate(made.secret.expose()).unwrap();
    registry.save_token_use().await.unwrap();
    let tokens = registry.tokens().await.unwrap();
    assert_eq!(tokens[0].last_used_at, Some(site.clock.now()));
}
