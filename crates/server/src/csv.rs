//! CSV (RFC 4180): commas, CRLF, quotes where they are needed; what logs hold cannot become a formula in a spreadsheet.
//!
//! A cell that a spreadsheet would compute gets an apostrophe in front, by which it is taken as text
//! (<https://owasp.org/www-community/attacks/CSV_Injection>); plain numbers such as `-5` stay. Control characters, but
//! for tab and line feed, are replaced by their pictures.

/// The text of a cell, harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CsvCell(String);

impl CsvCell {
    /// The values with `; ` between them; empty where there are none.
    pub(crate) fn of(values: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut text = String::new();
        for (at, value) in values.into_iter().enumerate() {
            let value = value.as_ref();
            if at > 0 {
                text.push_str("; ");
            }
            if is_formula(value) {
                text.push('\'');
            }
            text.extend(value.chars().map(visible));
        }
        Self(text)
    }

    /// A text of ours, as it is.
    pub(crate) fn own(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// A semicolon or a tab needs no quotes by the standard, but parts cells where a spreadsheet takes it so.
    fn needs_quotes(&self) -> bool {
        let parts = |c: char| matches!(c, ',' | '"' | '\n' | ';' | '\t');
        self.0.contains(parts) || self.0.starts_with(' ') || self.0.ends_with(' ')
    }
}

/// Appends a row.
pub(crate) fn write_row(out: &mut String, cells: &[CsvCell]) {
    // An empty line would be no row to many readers.
    let is_empty_line = matches!(cells, [only] if only.0.is_empty());
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        if cell.needs_quotes() || is_empty_line {
            out.push('"');
            out.push_str(&cell.0.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(&cell.0);
        }
    }
    out.push_str("\r\n");
}

/// Whether a spreadsheet might compute the text, or pass over its beginning and compute the rest.
fn is_formula(text: &str) -> bool {
    if text.starts_with(['\t', '\r']) {
        return true;
    }
    let seen = text.trim_start_matches(|c: char| c.is_whitespace() || is_invisible(c));
    let begins_one = seen.starts_with([
        '=', '+', '-', '@', '＝', '＋', '－', '＠', '﹦', '﹢', '﹣', '﹫',
    ]);
    begins_one && !is_number(text)
}

/// Characters without a width, behind which a formula could hide.
fn is_invisible(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// A sign, digits, and perhaps a fraction.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(unsigned),
    }
}

fn visible(c: char) -> char {
    match c {
        '\t' | '\n' => c,
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' => '\u{fffd}',
        c if c.is_control() => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(cells: &[&str]) -> String {
        let cells: Vec<_> = cells.iter().map(|cell| CsvCell::of([cell])).collect();
        let mut out = String::new();
        write_row(&mut out, &cells);
        out
    }

    fn check(cell: &str, expected: &str) {
        assert_eq!(row(&["1", cell]), format!("1,{expected}\r\n"), "{cell:?}");
    }

    #[test]
    fn quotes_stand_where_they_are_needed() {
        check("plain text", "plain text");
        check("a,b", "\"a,b\"");
        check("say \"no\"", "\"say \"\"no\"\"\"");
        check("two\nlines", "\"two\nlines\"");
        check("a;b", "\"a;b\"");
        check(" a", "\" a\"");
        check("Đặng Thị Ánh", "Đặng Thị Ánh");
        check("", "");
        assert_eq!(row(&[""]), "\"\"\r\n");
    }

    #[test]
    fn what_a_spreadsheet_would_compute_becomes_text() {
        check("=1+1", "'=1+1");
        check("=cmd|'/c calc'!A0", "'=cmd|'/c calc'!A0");
        check("@SUM(1,2)", "\"'@SUM(1,2)\"");
        check("+84 912", "'+84 912");
        check("-x", "'-x");
        check("  =1", "'  =1");
        check("\u{a0}=1", "'\u{a0}=1");
        check("\u{feff}=1", "'\u{feff}=1");
        check("\t=1", "\"'\t=1\"");
        check("\ta", "\"'\ta\"");
        check("\ra", "'␍a");
        check("＝1", "'＝1");
        check("＠a", "'＠a");
        check("\u{0}=1", "'␀=1");
        check("-", "'-");
        check("-5-", "'-5-");
        check("-1.", "'-1.");
        check("\n=1", "\"'\n=1\"");
    }

    #[test]
    fn plain_numbers_stay_numbers() {
        for number in ["-5", "+3.5", "0", "17", "-0.25"] {
            check(number, number);
        }
        check("a=b", "a=b");
        check("10.0.0.1", "10.0.0.1");
    }

    #[test]
    fn control_characters_are_made_visible() {
        check("a\u{1b}[31mb\u{0}\r\u{7f}\u{9b}", "a␛[31mb␀␍␡\u{fffd}");
        check("a\tb", "\"a\tb\"");
    }

    #[test]
    fn lists_are_joined_and_each_member_is_harmless() {
        let cell = CsvCell::of(["a", "=b", "-5"]);
        assert_eq!(cell, CsvCell("a; '=b; -5".to_owned()));
        assert_eq!(CsvCell::of(Vec::<String>::new()), CsvCell(String::new()));
    }

    /// Reads what RFC 4180 allows, and nothing else.
    fn read(text: &str) -> Option<Vec<Vec<String>>> {
        let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' if cell.is_empty() => loop {
                    match chars.next()? {
                        '"' if chars.next_if_eq(&'"').is_some() => cell.push('"'),
                        '"' => break matches!(chars.peek()?, ',' | '\r').then_some(())?,
                        c => cell.push(c),
                    }
                },
                ',' => row.push(std::mem::take(&mut cell)),
                '\r' => {
                    chars.next_if_eq(&'\n')?;
                    row.push(std::mem::take(&mut cell));
                    rows.push(std::mem::take(&mut row));
                }
                '"' | '\n' => return None,
                c => cell.push(c),
            }
        }
        (row.is_empty() && cell.is_empty()).then_some(rows)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_and_computes_nothing(
            rows in prop::collection::vec(
                prop::collection::vec(
                    prop_oneof![".*", "[ \t\r\n=+@,\";'0-9.\u{ff1d}-]{0,6}", "[-+]?[0-9]{1,3}"],
                    1..4,
                ),
                0..5,
            )
        ) {
            let mut out = String::new();
            let mut expected = Vec::new();
            for row in &rows {
                let cells = row.iter().map(|cell| CsvCell::of([cell]));
                let cells: Vec<_> = cells.collect();
                write_row(&mut out, &cells);
                expected.push(cells.into_iter().map(|cell| cell.0).collect::<Vec<_>>());
            }
            let back = read(&out).expect("RFC 4180");
            prop_assert_eq!(&back, &expected);
            for (cell, was) in back.iter().flatten().zip(rows.iter().flatten()) {
                prop_assert!(!is_formula(cell), "{cell:?}");
                prop_assert!(!cell.contains(|c: char| c.is_control() && c != '\t' && c != '\n'));
                let shown: String = was.chars().map(visible).collect();
                let same = *cell == shown || *cell == format!("'{shown}");
                prop_assert!(same, "{was:?} became {cell:?}");
            }
        }
    }
}
