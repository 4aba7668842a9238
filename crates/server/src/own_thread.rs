//! Work in a thread that ends with it: a long search lowers its thread's priority for good, which no thread of a pool
//! may.

use tokio::sync::oneshot;

use crate::problem::Problem;

/// Starts it; the future tells how it ended.
pub(crate) fn run<T: Send + 'static, W: FnOnce() -> T + Send + 'static>(
    name: &str,
    work: W,
) -> impl Future<Output = Result<T, Problem>> + use<T, W> {
    let (give, done) = oneshot::channel();
    let thread = std::thread::Builder::new().name(name.to_owned());
    // Whoever asked may have left.
    let started = thread.spawn(move || drop(give.send(work())));
    async move {
        started.map_err(|error| Problem::internal(&error))?;
        // It ends without a word where it panics.
        done.await.map_err(|gone| Problem::internal(&gone))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;

    use super::*;

    #[tokio::test]
    async fn what_panics_is_told_as_a_mistake_of_ours() {
        assert_eq!(run("adds", || 1 + 1).await.expect("it ends"), 2);
        let panicked = run("panics", || -> u8 { panic!("a test") }).await;
        let problem = panicked.expect_err("it panics").into_response();
        assert_eq!(problem.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
