//! Why a severity is proposed (COMPLIANCE §4), for people.

use event::{AlertSeverity, Effect};
use registry::{Alert, SeveritySet};
use serde::Serialize;
use utoipa::ToSchema;

use crate::said::Said;

/// The tier that stands for no System.
const TIER_WITHOUT_SYSTEM: u8 = 2;

/// How grave an alert is, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeverityReply {
    /// The severity in force: `low`, `medium`, `high` or `urgent`.
    #[schema(value_type = String)]
    in_force: AlertSeverity,
    /// The one proposed.
    #[schema(value_type = String)]
    proposed: AlertSeverity,
    /// What the thing detected has done: `attempt`, `compromise` or `damage`.
    #[schema(value_type = String)]
    effect: Effect,
    /// The tier of the System that it was done to, from 1 to 4; 2 where none is known.
    tier: u8,
    /// Whether the tier is a System's own.
    tier_known: bool,
    /// Why that is proposed.
    reason: Said,
    /// Who has set another, when and why; absent where the proposal is in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    set: Option<SeveritySet>,
}

impl SeverityReply {
    /// Of an alert. No Systems are known yet.
    pub(crate) fn of(alert: &Alert) -> Self {
        Self {
            in_force: alert.severity,
            proposed: alert.proposed,
            effect: alert.effect,
            tier: TIER_WITHOUT_SYSTEM,
            tier_known: false,
            reason: reason(alert.proposed, alert.effect),
            set: alert.severity_set.clone(),
        }
    }
}

fn reason(proposed: AlertSeverity, effect: Effect) -> Said {
    let mut reason = severity_said(proposed);
    reason.join(": ", &effect_said(effect));
    let by_tier = Said::new(
        "không rõ hệ thống thông tin nên tính bậc 2 (một phòng)",
        "no System is known, which counts as tier 2 (one room)",
    );
    let then = match effect {
        Effect::Attempt => Said::new(
            "luôn là Thấp, dù nhắm vào đâu",
            "low always, whatever the target",
        ),
        Effect::Compromise => by_tier,
        Effect::Damage => {
            let mut then = by_tier;
            let least = Said::new("ít nhất là Trung bình", "medium at least");
            then.join(", ", &least);
            then
        }
    };
    reason.join("; ", &then);
    reason
}

fn severity_said(severity: AlertSeverity) -> Said {
    match severity {
        AlertSeverity::Low => Said::new("Thấp", "Low"),
        AlertSeverity::Medium => Said::new("Trung bình", "Medium"),
        AlertSeverity::High => Said::new("Cao", "High"),
        AlertSeverity::Urgent => Said::new("Khẩn cấp", "Urgent"),
    }
}

fn effect_said(effect: Effect) -> Said {
    match effect {
        Effect::Attempt => Said::new(
            "đã thử, bị chặn hoặc không thành",
            "tried, and blocked or failed",
        ),
        Effect::Compromise => Said::new(
            "đã vào được, hoặc đã thay đổi điều không được phép",
            "got in, or changed what it should not have",
        ),
        Effect::Damage => Said::new(
            "đã làm dừng, xóa, mã hóa hoặc xóa dấu vết",
            "stopped, deleted, encrypted, or wiped its traces",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_names_effect_and_tier_in_both_languages() {
        let said = reason(AlertSeverity::Low, Effect::Attempt);
        assert!(said.vi.starts_with("Thấp: đã thử"), "{}", said.vi);
        assert!(said.en.contains("whatever the target"), "{}", said.en);
        let said = reason(AlertSeverity::Medium, Effect::Damage);
        assert!(said.vi.contains("bậc 2") && said.vi.ends_with("ít nhất là Trung bình"));
        assert!(said.en.contains("tier 2") && said.en.ends_with("medium at least"));
    }
}
