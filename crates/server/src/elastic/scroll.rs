//! Reading everything page by page with `scroll`. Nothing is kept between pages: the identity of a scroll holds what
//! was asked, when, and where the last page ended.
//!
//! As a snapshot does, it shows no event that arrives after the first page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use event::{Micros, Seq};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fault::Fault;
use super::request::Parameters;

/// The longest request that can be read by scrolling, in bytes: it travels with every page.
const REQUEST_BYTES_MAX: usize = 16 << 10;
const IDENTITY_BYTES_MAX: usize = 64 << 10;

/// Where a scroll is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scroll {
    /// The parameters of the first request.
    pub(super) parameters: Parameters,
    /// Its body, without its aggregations: these are on the first page.
    pub(super) body: Value,
    /// What `now` meant.
    now: i64,
    /// The last event that the first page could see.
    through: u64,
    /// The place of the last hit; none on a page without hits: then there are no more.
    pub(super) after: Option<Vec<Value>>,
}

impl Scroll {
    /// A scroll of a search whose first page is done.
    ///
    /// # Errors
    /// The request is too long.
    pub(super) fn new(
        parameters: Parameters,
        mut body: Value,
        now: Micros,
        through: Seq,
        after: Option<Vec<Value>>,
    ) -> Result<Self, Fault> {
        if let Value::Object(members) = &mut body {
            for name in ["aggs", "aggregations", "search_after", "from"] {
                members.remove(name);
            }
        }
        if body.to_string().len() > REQUEST_BYTES_MAX {
            return Err(Fault::argument(format!(
                "a request longer than {REQUEST_BYTES_MAX} bytes cannot be read with [scroll]: use [search_after]"
            )));
        }
        Ok(Self {
            parameters,
            body,
            now: now.0,
            through: through.0,
            after,
        })
    }

    pub(super) fn now(&self) -> Micros {
        Micros(self.now)
    }

    pub(super) fn through(&self) -> Seq {
        Seq(self.through)
    }

    /// What the asker gives back for the next page.
    pub(super) fn identity(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(text)
    }

    /// Reads an identity.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn read(identity: &str) -> Result<Self, Fault> {
        let wrong =
            || Fault::argument("[scroll_id] is none: give it back as it was, or begin again");
        if identity.len() > IDENTITY_BYTES_MAX {
            return Err(wrong());
        }
        let text = URL_SAFE_NO_PAD.decode(identity).map_err(|_| wrong())?;
        serde_json::from_slice(&text).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_identity_holds_all_that_the_next_page_needs() {
        let body = json!({"query": {"match_all": {}}, "aggs": {"a": {}}});
        let after = Some(vec![json!(7)]);
        let scroll = Scroll::new(Parameters::new(), body, Micros(5), Seq(9), after).unwrap();
        let read = Scroll::read(&scroll.identity()).unwrap();
        assert_eq!(read, scroll);
        assert_eq!(read.body, json!({"query": {"match_all": {}}}));
        let long = json!({"query": "x".repeat(REQUEST_BYTES_MAX)});
        assert!(Scroll::new(Parameters::new(), long, Micros(5), Seq(9), None).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_an_identity_or_an_error(text in "\\PC{0,60}|[A-Za-z0-9_-]{0,60}") {
            drop(Scroll::read(&text));
        }
    }
}
