//! A tree written as text is read back as the same tree, and no text makes the parser panic.

use event::{Field, Micros};
use proptest::collection::vec;
use proptest::prelude::*;
use query::{
    Bound, Condition, Context, Expr, FieldName, Literal, Pattern, Phrase, Piece, Range, Regex,
    Test, parse,
};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9_.]{1,8}",
        "(AND|OR|NOT|TO|now|\\*)",
        "[ -~]{0,10}",
        "[à-ỹĐđ ]{1,8}",
        "\\PC{0,6}",
        "(10\\.0\\.0\\.[0-9]|fe80::[0-9]|10\\.0\\.0\\.0/8)",
    ]
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let piece = prop_oneof![
        text().prop_map(|text| Piece::Text(text.into())),
        Just(Piece::Run),
        Just(Piece::One),
    ];
    let has_wildcard = |pattern: &Pattern| {
        !pattern.is_any()
            && pattern
                .pieces()
                .iter()
                .any(|piece| !matches!(piece, Piece::Text(_)))
    };
    vec(piece, 1..5)
        .prop_map(Pattern::new)
        .prop_filter("a wildcard", has_wildcard)
}

fn phrase() -> impl Strategy<Value = Phrase> {
    prop_oneof![
        text().prop_filter_map("a token", |text| Phrase::new(&text)),
        pattern().prop_filter_map("a token", Phrase::like),
    ]
}

fn plain_phrase() -> impl Strategy<Value = Phrase> {
    text().prop_filter_map("a token", |text| Phrase::new(&text))
}

fn regex() -> impl Strategy<Value = Regex> {
    "[a-c/\" ():]{1,6}".prop_filter_map("a regex", |text| Regex::new(&regex::escape(&text)).ok())
}

fn literal() -> impl Strategy<Value = Literal> {
    text().prop_map(|text| Literal::new(&text))
}

fn bounds(literal: impl Strategy<Value = Literal> + Clone) -> impl Strategy<Value = Condition> {
    let bound = || {
        prop_oneof![
            Just(Bound::Open),
            literal.clone().prop_map(Bound::With),
            literal.clone().prop_map(Bound::Without),
        ]
    };
    (bound(), bound())
        .prop_filter("a bound", |(low, high)| {
            *low != Bound::Open || *high != Bound::Open
        })
        .prop_map(|(low, high)| Condition::Range(Range { low, high }))
}

fn instant() -> impl Strategy<Value = Literal> + Clone {
    (-30_000_000_000_000_000_i64..200_000_000_000_000_000)
        .prop_map(|at| Literal::new(&Micros(at).to_string()))
}

fn number() -> impl Strategy<Value = Literal> + Clone {
    any::<i32>().prop_map(|number| Literal::new(&number.to_string()))
}

fn keyword_test() -> impl Strategy<Value = Expr> {
    let name = prop_oneof![
        Just("user.name".to_owned()),
        Just("fortinet.vd".to_owned()),
        text()
    ];
    let name = name.prop_map(|name| FieldName::new(&name));
    let condition = prop_oneof![
        Just(Condition::Exists),
        literal().prop_map(Condition::Is),
        vec(literal(), 2..4).prop_map(|literals| Condition::OneOf(literals.into())),
        pattern().prop_map(Condition::Like),
        regex().prop_map(Condition::Regex),
        Just(Condition::Network("10.0.0.0/8".parse().expect("a network"))),
        Just(Condition::Network(
            "2001:db8::/32".parse().expect("a network")
        )),
        bounds(literal().boxed()),
    ];
    (name, condition).prop_map(|(name, condition)| Expr::field(name, condition))
}

fn test() -> impl Strategy<Value = Expr> {
    prop_oneof![
        phrase().prop_map(|phrase| Expr::Test(Test::Text(phrase))),
        regex().prop_map(|regex| Expr::Test(Test::Regex(regex))),
        keyword_test(),
        bounds(number()).prop_map(|condition| Expr::field(Field::SOURCE_PORT, condition)),
        bounds(instant()).prop_map(|condition| Expr::field(Field::TIMESTAMP, condition)),
        instant().prop_map(|at| Expr::field(Field::TIMESTAMP, Condition::Is(at))),
        plain_phrase().prop_map(|phrase| Expr::field(Field::MESSAGE, Condition::Holds(phrase))),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![1 => Just(Expr::All), 1 => Just(Expr::None), 8 => test()];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Expr::and),
            vec(inner.clone(), 0..4).prop_map(Expr::or),
            inner.prop_map(Expr::not),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_written_is_read_back(expr in expr()) {
        let written = expr.to_string();
        let parsed = parse(&written, &Context::at(Micros(0)));
        prop_assert_eq!(&parsed.expr, &expr, "{} with {:?}", written, parsed.diagnostics);
        let errors = parsed.into_result().err();
        prop_assert!(errors.is_none(), "{}: {:?}", written, errors);
    }

    #[test]
    fn any_text_is_read_without_a_panic_and_what_is_read_can_be_written(
        text in "\\PC{0,60}|[a:/()\\[\\]{}\"\\\\*?<>=|&!+\\- ]{0,60}|((AND|OR|NOT|TO|a|user.name:|\"|\\(|\\)|\\[|@timestamp:|>) ?){0,20}"
    ) {
        let context = Context::at(Micros(0));
        let parsed = parse(&text, &context);
        for found in &parsed.diagnostics {
            prop_assert!(text.get(found.span.start..found.span.end).is_some());
        }
        let again = parse(&parsed.expr.to_string(), &context);
        prop_assert_eq!(again.expr, parsed.expr);
    }
}
