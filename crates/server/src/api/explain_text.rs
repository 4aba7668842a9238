//! What an explanation says to people.

use index::{Means, Why};

use super::explain::{ExplainReply, StageReply, WayReply};
use crate::said::Said;

/// The explanation in lines: the tests, the stages, the parts, the cost.
pub(crate) fn of(reply: &ExplainReply) -> Said {
    let mut text = Said::new("", "");
    for test in &reply.tests {
        text.line(&Said::new(&*test.test, &*test.test));
        if test.ways.is_empty() {
            text.line(&Said::new(
                "  không cần hỏi: điều kiện khác đã loại hết",
                "  not asked: other tests ruled everything out before",
            ));
        }
        for way in &test.ways {
            text.line(&way_said(way));
        }
    }
    for stage in &reply.stages {
        text.line(&stage_said(stage));
    }
    parts(reply, &mut text);
    cost(reply, &mut text);
    text
}

fn way_said(way: &WayReply) -> Said {
    let by = means_said(way.means);
    let (vi, en) = if way.surely {
        ("chắc chắn", "surely")
    } else {
        ("có thể", "possibly")
    };
    let (segments, asked, possible) = (way.segments, way.asked, way.possible);
    let mut said = Said::new(
        format!(
            "  {vi}, {}: còn {possible} trong {asked} sự kiện, {segments} phân đoạn",
            by.vi
        ),
        format!(
            "  {en}, {}: leaves {possible} of {asked} events, {segments} segments",
            by.en
        ),
    );
    for why in &way.why {
        said.join("; ", &why_said(why));
    }
    said
}

fn means_said(means: Means) -> Said {
    match means {
        Means::Times => Said::new(
            "nhờ thời điểm sớm nhất và muộn nhất của phân đoạn",
            "by the oldest and newest time of the segment",
        ),
        Means::Seqs => Said::new("nhờ số thứ tự", "by the place in the journal"),
        Means::Column => Said::new("nhờ cột", "by its column"),
        Means::ColumnOfTerm => Said::new(
            "nhờ cột, chỉ ở những sự kiện có địa chỉ đó",
            "by its column, of events with that address alone",
        ),
        Means::Words => Said::new("nhờ chỉ mục từ", "by the index of words"),
        Means::Terms => Said::new("nhờ chỉ mục địa chỉ", "by the index of addresses"),
        Means::Always => Said::new("sự kiện nào cũng có", "every event has it"),
        Means::Scan => Said::new(
            "phải đọc từng sự kiện",
            "nothing helps: every event is read",
        ),
    }
}

fn why_said(why: &Why) -> Said {
    match why {
        Why::KeptOut(word) => Said::new(
            format!("chỉ mục không giữ «{word}» (số hay gặp trong ngày giờ, địa chỉ)"),
            format!(
                "«{word}» is kept out of the index (numbers that dates and addresses are made of)"
            ),
        ),
        Why::Wildcard(word) => Said::new(
            format!("«{word}» có ký tự đại diện: biết sự kiện nào, không biết vị trí"),
            format!("«{word}» has wildcards: the index says in which events, not where"),
        ),
        Why::OpenWildcard(word) => Said::new(
            format!("«{word}» không bắt đầu bằng chữ cái thường: chỉ mục không giúp được"),
            format!("«{word}» does not begin with a plain letter: the index does not help"),
        ),
        Why::TooManyWords(word) => Said::new(
            format!("«{word}» ứng với quá nhiều từ"),
            format!("«{word}» stands for too many words"),
        ),
        Why::LongWord(word) => Said::new(
            format!("«{word}» dài hơn mức chỉ mục giữ"),
            format!("«{word}» is longer than the index keeps"),
        ),
        Why::NumberInColumn(word) => Said::new(
            format!("số {word} nằm trong cột, không rõ vị trí trong văn bản"),
            format!("the number {word} is held by a column, which says nothing of where it stands"),
        ),
        Why::AddressInPhrase => Said::new(
            "địa chỉ nằm trong cụm từ: chỉ mục không giữ vị trí của nó",
            "an address inside a phrase: the index keeps no place of it",
        ),
        Why::NoColumn => Said::new(
            "trường này không có cột: lọc bằng từ rồi hỏi từng sự kiện",
            "the field is no column: words narrow, then each event is asked",
        ),
        Why::VendorField => Said::new(
            "trường riêng của hãng: lọc bằng từ trong bản gốc rồi hỏi từng sự kiện",
            "a vendor's own field: words of the raw text narrow, then each event is asked",
        ),
        Why::NoWords => Said::new(
            "điều kiện không cho biết từ nào để tra",
            "the condition tells no word to look up",
        ),
        Why::Regex => Said::new("biểu thức chính quy", "a regular expression"),
        Why::OddValues => Said::new(
            "có giá trị mà cột không chứa nguyên được",
            "values that the column cannot hold as they are",
        ),
        Why::NotAllowed => Said::new("cách khác không được phép", "other ways were not allowed"),
    }
}

fn stage_said(stage: &StageReply) -> Said {
    let name = stage.stage;
    let (vi, en) = match (stage.how, stage.depth) {
        ("condition", _) => ("thu hẹp chính phép tìm", "narrows the search itself"),
        ("columns", _) => ("từ các cột", "from columns"),
        ("table", _) => (
            "trên bảng của bước trước",
            "on the table of the stage before",
        ),
        (_, Some("full")) => (
            "đọc và phân tích đầy đủ từng sự kiện (có trường riêng của hãng)",
            "reads and parses each event in full (a vendor's own field)",
        ),
        _ => (
            "đọc và phân tích từng sự kiện",
            "reads and parses each event",
        ),
    };
    Said::new(format!("| {name}: {vi}"), format!("| {name}: {en}"))
}

fn parts(reply: &ExplainReply, text: &mut Said) {
    let segments = || reply.partitions.iter().flat_map(|one| &one.segments);
    let all = segments().count();
    let out = segments().filter_map(|segment| segment.ruled_out.as_ref());
    let (mut by_time, mut by_condition) = (0, 0);
    for by in out {
        if by.means == Means::Times {
            by_time += 1;
        } else {
            by_condition += 1;
        }
    }
    let partitions = reply.partitions.len();
    text.line(&Said::new(
        format!("{partitions} phân vùng, {all} phân đoạn: {by_time} ngoài khoảng thời gian, {by_condition} không có gì khớp"),
        format!("{partitions} partitions, {all} segments: {by_time} outside the time, {by_condition} without a match"),
    ));
    let stale = reply.partitions.iter().filter(|one| one.stale).count();
    if stale > 0 {
        text.line(&Said::new(
            format!("{stale} phân vùng do bộ phân tích cũ lập chỉ mục: kết quả được kiểm lại, có thể thiếu; chạy `nhatky reindex`"),
            format!("{stale} partitions were indexed by older parsers: hits are verified, some may be missing; run `nhatky reindex`"),
        ));
    }
    let gaps = reply.partitions.iter().flat_map(|one| &one.gaps);
    let scanned: u64 = gaps.map(|gap| gap.to.0 + 1 - gap.from.0).sum();
    if scanned > 0 {
        text.line(&Said::new(
            format!("{scanned} sự kiện chưa có chỉ mục: đọc hết"),
            format!("{scanned} events have no index: all are read"),
        ));
    }
    if reply.fresh_events > 0 {
        let fresh = reply.fresh_events;
        text.line(&Said::new(
            format!("{fresh} sự kiện mới còn trong bộ nhớ"),
            format!("{fresh} fresh events in memory"),
        ));
    }
    if !reply.complete {
        text.line(&Said::new(
            "hết thời gian: chưa xem hết",
            "time ran out: not everything was looked at",
        ));
    }
}

fn cost(reply: &ExplainReply, text: &mut Said) {
    let (events, bytes) = (reply.foreseen.events, readable(reply.foreseen.bytes));
    text.line(&Said::new(
        format!("dự kiến đọc {events} sự kiện, khoảng {bytes}"),
        format!("will read {events} events, about {bytes}"),
    ));
    let Some(run) = &reply.run else {
        return;
    };
    let (events, bytes, total) = (run.events, readable(run.bytes), run.total);
    let least = run.total_relation != "eq";
    let (vi, en) = if least {
        ("ít nhất ", "at least ")
    } else {
        ("", "")
    };
    let (ms, us) = (run.took_us / 1000, run.took_us % 1000);
    text.line(&Said::new(
        format!("đã đọc {events} sự kiện, {bytes}; {vi}{total} khớp; {ms},{us:03} ms"),
        format!("has read {events} events, {bytes}; {en}{total} match; {ms}.{us:03} ms"),
    ));
}

fn readable(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} B"),
        10_240..10_485_760 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}
