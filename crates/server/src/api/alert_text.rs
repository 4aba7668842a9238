//! What people are told of an alert: its rule's texts with the facts of its latest detection.

use alert::{AlertView, RISK_RULE};
use detect::{RuleText, Rules};
use event::Detection;

use super::rules::{TextReply, TextsReply};

/// The texts; `None` where the rule, or every detection, is gone meanwhile.
pub(crate) fn texts(view: &AlertView, rules: &Rules) -> Option<TextsReply> {
    let latest = &view.detections.first()?.detection;
    let (vi, en) = match view.alert.rule.as_str() {
        RISK_RULE => (risk_vi(), risk_en()),
        id => {
            let info = rules.info(id)?;
            (info.vi.clone(), info.en.clone())
        }
    };
    Some(TextsReply {
        vi: filled(&vi, latest),
        en: filled(&en, latest),
    })
}

fn filled(text: &RuleText, detection: &Detection) -> TextReply {
    TextReply {
        title: text.title_of(detection),
        detail: text.detail_of(detection),
        runbook: text.runbook.clone(),
    }
}

fn risk_vi() -> RuleText {
    RuleText {
        title: "Điểm rủi ro vượt ngưỡng".to_owned(),
        detail: "Nhiều dấu hiệu của các quy tắc khác nhau ({rules}) về cùng một đối tượng cộng lại được {points} điểm, ngưỡng là {limit}."
            .to_owned(),
        runbook: "Đọc các bước theo thứ tự thời gian: từng việc có thể là bình thường, cả chuỗi thì không. Xem lịch sử của đối tượng, \
                  hỏi chủ tài khoản hoặc người phụ trách máy; nếu không giải thích được, khóa tài khoản hoặc cách ly máy rồi mới điều tra tiếp."
            .to_owned(),
        misses: "Việc làm dưới tên, địa chỉ hoặc máy khác nhau không được cộng vào nhau.".to_owned(),
    }
}

fn risk_en() -> RuleText {
    RuleText {
        title: "Risk has passed the limit".to_owned(),
        detail: "Many signs of different rules ({rules}) about one user, address or host add up to {points} points; the limit is {limit}."
            .to_owned(),
        runbook: "Read the steps in order of time: each may be everyday, the whole is not. Look at the history of who or what it is about, \
                  ask whose account or machine it is; where nobody can explain it, lock the account or take the machine off the network, \
                  then go on looking."
            .to_owned(),
        misses: "What is done under different names, from different addresses or hosts does not add up.".to_owned(),
    }
}
