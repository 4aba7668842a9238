//! `nhatky export`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::cli::{Export, ExportFormat};
use crate::client::Client;
use crate::export_file::{self, GoOn, Records};
use crate::output;
use crate::texts::Texts;

pub(crate) async fn run(args: Export, texts: &Texts) -> Result<()> {
    let mut body = asked(&args);
    let mut out: Box<dyn Write> = match &args.output {
        None => Box::new(std::io::stdout()),
        Some(path) if args.resume => {
            let (file, go_on) = export_file::open(path, args.format)?;
            match go_on {
                GoOn::Beginning => {}
                GoOn::Before(seq) => body["before"] = Value::from(seq),
                GoOn::Whole => {
                    let file = path.display();
                    return output::note(&texts.say("export.whole", &[("file", &file)]));
                }
            }
            Box::new(BufWriter::new(file))
        }
        Some(path) => Box::new(BufWriter::new(new_file(path)?)),
    };
    let mut records = Records::new(args.format);
    let client = Client::open(&args.place).await?;
    let downloaded = client
        .download("/api/v1/export", &body, |chunk| {
            records.push(chunk);
            Ok(out.write_all(chunk)?)
        })
        .await;
    client.close().await?;
    out.flush()?;
    let count: [(&str, &dyn std::fmt::Display); 1] = [("count", &records.count)];
    if let Err(error) = downloaded {
        if output::is_closed_pipe(&error) || records.count == 0 {
            return Err(error);
        }
        let key = if args.output.is_some() {
            "export.go_on"
        } else {
            "export.cut"
        };
        return Err(error.context(texts.say(key, &count)));
    }
    output::note(&texts.say("export.done", &count))
}

fn asked(args: &Export) -> Value {
    let format = match args.format {
        ExportFormat::Ndjson => "ndjson",
        ExportFormat::Csv => "csv",
    };
    let mut body = json!({ "q": args.query, "format": format, "bom": args.bom });
    for (name, value) in [
        ("from", &args.span.from),
        ("to", &args.span.to),
        ("fields", &args.fields),
    ] {
        if let Some(value) = value {
            body[name] = Value::from(value.as_str());
        }
    }
    body
}

fn new_file(path: &Path) -> Result<File> {
    File::create_new(path).with_context(|| {
        let path = path.display();
        format!("cannot create {path}: --resume goes on with a file that is there")
    })
}
