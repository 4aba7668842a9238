//! What is asked of events: a query and a span of time.

use std::sync::Arc;

use event::{Field, Micros};
use index::{Budget, Cancel, Scope};
use query::{
    Answer, Cell, Condition, Context, Diagnostic, Expr, Key, Literal, Pipeline, Severity, Stage,
    Stats, Subquery, Test,
};
use registry::Actor;

use crate::app::App;
use crate::problem::Problem;

/// A query and a span of time, understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Question {
    pub(crate) expr: Expr,
    pub(crate) from: Option<Micros>,
    pub(crate) to: Option<Micros>,
    /// What hardly means what was meant.
    pub(crate) warnings: Vec<Diagnostic>,
}

impl Question {
    /// Reads them as they stand in a request.
    pub(crate) fn read(
        app: &App,
        q: Option<&str>,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<Self, Problem> {
        let context = context(app);
        let parsed = query::parse(q.unwrap_or_default(), &context);
        let warnings = parsed.diagnostics.clone();
        let expr = parsed.into_result().map_err(Problem::query)?;
        Self::of(expr, warnings, from, to, &context)
    }

    /// Reads a query with the stages behind it; none where it is a condition alone. Queries in brackets are run first.
    pub(crate) async fn read_pipeline(
        app: &App,
        actor: &Actor,
        q: Option<&str>,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<(Self, Pipeline), Problem> {
        let context = context(app);
        Self::read_in(app, actor, q.unwrap_or_default(), from, to, context).await
    }

    /// Whether they can be read; nothing is run.
    pub(crate) fn check(
        app: &App,
        q: &str,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<(), Problem> {
        let context = context(app);
        let parsed = query::parse_pipeline(q, &context);
        parsed.into_result().map_err(Problem::query)?;
        instant("from", from, &context)?;
        instant("to", to, &context)?;
        Ok(())
    }

    async fn read_in(
        app: &App,
        actor: &Actor,
        q: &str,
        from: Option<&str>,
        to: Option<&str>,
        mut context: Context,
    ) -> Result<(Self, Pipeline), Problem> {
        let mut parsed = query::parse_pipeline(q, &context);
        if is_sound(&parsed.diagnostics) && !parsed.subqueries.is_empty() {
            for subquery in std::mem::take(&mut parsed.subqueries) {
                let start = subquery.start;
                let values = Box::pin(values_of(app, actor, &subquery, from, to, &context)).await?;
                context.answers.push(Answer { start, values });
            }
            parsed = query::parse_pipeline(q, &context);
        }
        let warnings = parsed.diagnostics.clone();
        let pipeline = parsed.into_result().map_err(Problem::query)?;
        let question = Self::of(pipeline.filter.clone(), warnings, from, to, &context)?;
        Ok((question, pipeline))
    }

    fn of(
        expr: Expr,
        warnings: Vec<Diagnostic>,
        from: Option<&str>,
        to: Option<&str>,
        context: &Context,
    ) -> Result<Self, Problem> {
        Ok(Self {
            expr: without_own_questions(expr),
            from: instant("from", from, context)?,
            to: instant("to", to, context)?,
            warnings,
        })
    }

    /// As the index takes it.
    pub(crate) fn scope(self, budget: Budget, cancel: Cancel) -> Scope {
        Scope {
            from: self.from,
            to: self.to,
            budget,
            cancel,
            ..Scope::new(self.expr)
        }
    }
}

/// What queries are read with.
pub(crate) fn context(app: &App) -> Context {
    Context {
        resources: Some(Arc::clone(&app.parts.lookups)),
        ..Context::at(app.parts.clock.now())
    }
}

fn is_sound(diagnostics: &[Diagnostic]) -> bool {
    let is_error = |found: &Diagnostic| found.severity == Severity::Error;
    !diagnostics.iter().any(is_error)
}

/// What a query in brackets gives: its first column, or where it is a condition alone, the values of the field that is
/// compared with it.
async fn values_of(
    app: &App,
    actor: &Actor,
    subquery: &Subquery,
    from: Option<&str>,
    to: Option<&str>,
    around: &Context,
) -> Result<Arc<[Box<str>]>, Problem> {
    let context = Context {
        subquery_depth: around.subquery_depth + 1,
        answers: Vec::new(),
        ..around.clone()
    };
    let (question, mut pipeline) =
        Question::read_in(app, actor, &subquery.text, from, to, context).await?;
    if pipeline.stages.is_empty() {
        pipeline.stages.push(Stage::Stats(Stats {
            aggregates: Vec::new(),
            by: vec![Key::Field(subquery.field.clone())],
        }));
    }
    let index = Arc::clone(&app.parts.index);
    let piped = app.searches.run(&actor.name, move |budget, cancel| {
        crate::pipes::run(&index, question, &pipeline, usize::MAX, budget, cancel)
    });
    let piped = piped.await?;
    let table = piped.table.map_err(Problem::from)?;
    if piped.total.relation() != "eq" {
        let detail =
            "the query in brackets was not finished in its time: narrow it, or the span of time";
        return Err(Problem::field("q", detail));
    }
    let cells = table
        .rows
        .into_iter()
        .filter_map(|row| row.into_iter().next());
    let values: Vec<Box<str>> = cells.flat_map(Cell::into_texts).collect();
    if values.len() > around.limits.subquery_values {
        let detail = format!(
            "the query in brackets gives {} values, more than {}: narrow it, or take the first ones by «| head»",
            values.len(),
            around.limits.subquery_values
        );
        return Err(Problem::field("q", detail));
    }
    Ok(values.into())
}

/// Leaves out the records of what was asked, which hold every word that anybody has looked for.
///
/// Only where words are looked for: a regular expression would have to parse what it reads, and who names a field of
/// ours means these records, too.
pub(crate) fn without_own_questions(expr: Expr) -> Expr {
    let (mut words, mut others) = (false, false);
    expr.each_test(&mut |test| match test {
        Test::Text(_) => words = true,
        Test::Regex(_) => others = true,
        Test::Field(field, _) => others |= field.name().starts_with("nhatky."),
    });
    if !words || others {
        return expr;
    }
    let is = |field: Field, value| Expr::field(field, Condition::Is(Literal::new(value)));
    let asked = Expr::and([
        is(Field::NHATKY_PRODUCT, "nhatky.own"),
        is(Field::NHATKY_MESSAGE, "audit-view"),
    ]);
    Expr::and([expr, asked.not()])
}

/// A time such as `2026-10-11T22:14:15+07:00`, `2026-10-11` or `now-15m`; empty is none.
pub(crate) fn instant(
    field: &'static str,
    text: Option<&str>,
    context: &Context,
) -> Result<Option<Micros>, Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let read = query::instant(text, context).ok_or_else(|| {
        let detail =
            format!("«{text}» is no time: write 2026-10-11T22:14:15+07:00, 2026-10-11 or now-15m");
        Problem::field(field, detail)
    });
    read.map(Some)
}

/// A number of items, within what is allowed.
pub(crate) fn limit(asked: Option<usize>, default: usize, max: usize) -> Result<usize, Problem> {
    match asked {
        None => Ok(default),
        Some(asked) if asked <= max => Ok(asked),
        Some(_) => Err(Problem::field(
            "limit",
            format!("at most {max} at a time: use the cursor for more"),
        )),
    }
}

/// A length of time such as `15m`, `24h` or `7d`, in seconds.
pub(crate) fn seconds(field: &'static str, text: &str) -> Result<u64, Problem> {
    query::seconds(text).ok_or_else(|| {
        let detail = format!("«{text}» is no length of time: write 15m, 24h or 7d");
        Problem::field(field, detail)
    })
}
