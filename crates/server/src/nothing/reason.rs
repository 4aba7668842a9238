//! The reasons, and what they say to people.

use event::{Micros, Seq};
use query::{Expr, FieldName};
use serde::Serialize;
use utoipa::ToSchema;

use crate::said::Said;

/// A reason why nothing was found.
#[derive(Debug)]
pub(crate) struct Reason {
    pub(crate) code: Code,
    pub(crate) said: Said,
    /// A query that has hits.
    pub(crate) suggestion: Option<Suggestion>,
}

/// Which reason it is; the likelier ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Code {
    /// The span ends before it begins.
    EmptySpan,
    /// The span lies in the future.
    FutureSpan,
    /// The span lies before everything kept.
    BeforeKept,
    /// There were too many events to look at within the budget.
    NotSearched,
    /// No source has that name.
    SourceUnknown,
    /// No event kept has the field.
    FieldUnknown,
    /// The source asked for was last heard before the span.
    SourceSilent,
    /// There are hits at other times.
    HitsOutside,
    /// There are hits seven hours away: dates without their zone, probably.
    ZoneOff,
    /// Events outside the span alone have the field.
    FieldAbsent,
    /// The field never has the value in the span.
    ValueAbsent,
    /// The words, or the expression, are in no event of the span.
    WordsAbsent,
    /// A part of the condition is never met in the span.
    TestUnmet,
    /// Without a part of the condition there are hits.
    TestExcludes,
    /// Each part is met, but never all of them.
    NeverTogether,
    /// Nothing at all was received in the span.
    NothingReceived,
    /// Records of losses lie in the span.
    Loss,
    /// Some was indexed by other parsers than today's.
    Stale,
    /// The span begins before everything kept.
    PartlyKept,
}

/// A query that has hits.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Suggestion {
    /// The condition.
    pub(crate) q: String,
    /// The span's beginning.
    #[schema(value_type = Option<String>)]
    pub(crate) from: Option<Micros>,
    /// The span's end.
    #[schema(value_type = Option<String>)]
    pub(crate) to: Option<Micros>,
    /// How many hits, or how many at least.
    pub(crate) hits: u64,
}

impl Reason {
    fn new(code: Code, vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            code,
            said: Said::new(vi, en),
            suggestion: None,
        }
    }

    pub(crate) fn with(self, suggestion: Option<Suggestion>) -> Self {
        Self { suggestion, ..self }
    }

    pub(crate) fn empty_span(from: Micros, to: Micros) -> Self {
        let (from, to) = (local(from), local(to));
        Self::new(
            Code::EmptySpan,
            format!("khoảng thời gian rỗng: bắt đầu {from} không trước kết thúc {to}"),
            format!("the span is empty: it begins at {from}, not before its end at {to}"),
        )
    }

    pub(crate) fn future(from: Micros) -> Self {
        let from = local(from);
        Self::new(
            Code::FutureSpan,
            format!("khoảng thời gian bắt đầu trong tương lai ({from})"),
            format!("the span begins in the future ({from})"),
        )
    }

    pub(crate) fn before_kept(kept_from: Micros) -> Self {
        let first = local(kept_from);
        Self::new(
            Code::BeforeKept,
            format!(
                "khoảng thời gian nằm trước mọi bản ghi còn lưu: bản ghi đầu tiên nhận lúc {first}"
            ),
            format!(
                "the span lies before everything kept: the first record kept was received at {first}"
            ),
        )
    }

    pub(crate) fn partly_kept(kept_from: Micros) -> Self {
        let first = local(kept_from);
        Self::new(
            Code::PartlyKept,
            format!("chỉ còn lưu bản ghi nhận từ {first}"),
            format!("only records received since {first} are kept"),
        )
    }

    pub(crate) fn nothing_received() -> Self {
        Self::new(
            Code::NothingReceived,
            "không có sự kiện nào, từ bất kỳ nguồn nào, trong khoảng thời gian này",
            "there is no event at all, of any source, in this span",
        )
    }

    pub(crate) fn not_searched(skipped: &[Seq]) -> Self {
        let count = skipped.len();
        Self::new(
            Code::NotSearched,
            format!(
                "chưa xem hết: tìm kiếm dừng vì hết thời gian hoặc quá nhiều dữ liệu ({count} phân vùng chưa xem xong); hãy thu hẹp thời gian"
            ),
            format!(
                "not everything was looked at: time or bytes ran out ({count} partitions were not finished); take a shorter span"
            ),
        )
    }

    pub(crate) fn stale(stale: &[Seq]) -> Self {
        let count = stale.len();
        Self::new(
            Code::Stale,
            format!(
                "{count} phân vùng do bộ phân tích cũ lập chỉ mục, có thể thiếu kết quả: chạy `nhatky reindex`"
            ),
            format!(
                "{count} partitions were indexed by older parsers, hits may be missing: run `nhatky reindex`"
            ),
        )
    }

    pub(crate) fn loss(records: u64) -> Self {
        Self::new(
            Code::Loss,
            format!(
                "có {records} bản ghi mất mát trong khoảng này: điều cần tìm có thể chưa từng đến; xem `nhatky losses`"
            ),
            format!(
                "{records} records of losses lie in this span: what you look for may never have arrived; see `nhatky losses`"
            ),
        )
    }

    pub(crate) fn source_unknown(wanted: &str, near: &[String]) -> Self {
        let (vi, en) = near_said(near);
        Self::new(
            Code::SourceUnknown,
            format!("không có nguồn nào là «{wanted}»{vi}"),
            format!("no source is «{wanted}»{en}"),
        )
    }

    pub(crate) fn source_silent(wanted: &str, last_seen: Micros) -> Self {
        let last = local(last_seen);
        Self::new(
            Code::SourceSilent,
            format!("nguồn «{wanted}» im lặng: lần cuối nhận được là {last}"),
            format!("the source «{wanted}» is silent: it was last heard at {last}"),
        )
    }

    pub(crate) fn field_unknown(field: &FieldName, near: &[String]) -> Self {
        let (vi, en) = near_said(near);
        Self::new(
            Code::FieldUnknown,
            format!("không sự kiện nào còn lưu có trường {field}{vi}"),
            format!("no event kept has the field {field}{en}"),
        )
    }

    pub(crate) fn field_absent(field: &FieldName, products: &[String]) -> Self {
        let (vi, en) = if products.is_empty() {
            (String::new(), String::new())
        } else {
            let products = products.join(", ");
            (
                format!("; trường này đến từ {products}"),
                format!("; it comes from {products}"),
            )
        };
        Self::new(
            Code::FieldAbsent,
            format!("không sự kiện nào trong khoảng này có trường {field}{vi}"),
            format!("no event in this span has the field {field}{en}"),
        )
    }

    pub(crate) fn value_absent(field: &FieldName, value: &str, near: &[String]) -> Self {
        let (vi, en) = near_said(near);
        Self::new(
            Code::ValueAbsent,
            format!("trường {field} không bao giờ là «{value}» trong khoảng này{vi}"),
            format!("{field} is never «{value}» in this span{en}"),
        )
    }

    pub(crate) fn words_absent(test: &Expr) -> Self {
        Self::new(
            Code::WordsAbsent,
            format!("không sự kiện nào trong khoảng này chứa {test}"),
            format!("no event in this span holds {test}"),
        )
    }

    pub(crate) fn test_unmet(test: &Expr) -> Self {
        Self::new(
            Code::TestUnmet,
            format!("không sự kiện nào trong khoảng này thỏa {test}"),
            format!("no event in this span meets {test}"),
        )
    }

    pub(crate) fn test_excludes(test: &Expr, hits: u64) -> Self {
        Self::new(
            Code::TestExcludes,
            format!("bỏ {test} thì có {hits} sự kiện"),
            format!("without {test} there are {hits} events"),
        )
    }

    pub(crate) fn never_together() -> Self {
        Self::new(
            Code::NeverTogether,
            "từng điều kiện đều có sự kiện thỏa, nhưng không sự kiện nào thỏa tất cả",
            "each condition is met by some event, but no event meets them all",
        )
    }

    pub(crate) fn hits_outside(last: Micros, within_zone: u64, within_day: u64) -> Self {
        let last = local(last);
        Self::new(
            Code::HitsOutside,
            format!(
                "có kết quả ngoài khoảng này: lần cuối {last}; {within_zone} trong vòng 7 giờ, {within_day} trong vòng 24 giờ trước và sau"
            ),
            format!(
                "there are hits outside this span: the last at {last}; {within_zone} within 7 hours, {within_day} within 24 hours before and after"
            ),
        )
    }

    pub(crate) fn zone(hits: u64) -> Self {
        Self::new(
            Code::ZoneOff,
            format!(
                "lệch đúng 7 giờ thì có {hits} kết quả: múi giờ của thời điểm đã nhập hoặc của thiết bị có lẽ sai"
            ),
            format!(
                "exactly 7 hours away there are {hits} hits: the zone of the times asked for, or of the device, is probably off"
            ),
        )
    }
}

fn near_said(near: &[String]) -> (String, String) {
    if near.is_empty() {
        return (String::new(), String::new());
    }
    let near = near.join(", ");
    (
        format!("; gần giống: {near}"),
        format!("; near ones: {near}"),
    )
}

/// A time as people in Vietnam read it, to the second.
fn local(at: Micros) -> String {
    let hours = 7 * 3600 * Micros::PER_SECOND;
    let whole = at.0.saturating_add(hours).div_euclid(Micros::PER_SECOND);
    let text = Micros(whole.saturating_mul(Micros::PER_SECOND)).to_string();
    format!("{}+07:00", text.trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_time_of_vietnam() {
        let at = Micros::from_rfc3339("2026-10-11T15:14:15.5Z").expect("a time");
        assert_eq!(local(at), "2026-10-11T22:14:15+07:00");
    }
}
