//! `nhatky reindex`: the index anew, with today's parsers.

use anyhow::Result;

use super::verify::instant;
use crate::cli::Reindex;
use crate::node::Node;
use crate::output;
use crate::texts::Texts;

pub(crate) async fn run(args: Reindex, texts: &Texts) -> Result<()> {
    let from = args.span.from.as_deref().map(instant).transpose()?;
    let to = args.span.to.as_deref().map(instant).transpose()?;
    let node = Node::offline(&args.data).await?;
    node.index.flush().map_err(anyhow::Error::msg)?;
    let (mut partitions, mut events) = (0_u64, 0_u64);
    for partition in node.journal.reader().partitions() {
        let outside = from.is_some_and(|from| partition.newest < from)
            || to.is_some_and(|to| partition.oldest >= to);
        if outside {
            continue;
        }
        events += node.index.reindex(partition.first, &mut |_| {})?.events;
        partitions += 1;
    }
    node.close().await?;
    output::note(&texts.say(
        "reindex.done",
        &[("events", &events), ("partitions", &partitions)],
    ))
}
