//! The addresses of servers, taken from one detector to another: a replay that reads only some events cannot learn them.

use std::sync::Arc;

use event::Micros;

use crate::detector::Detector;

/// The addresses of servers that a detector knows.
#[derive(Clone, Debug, Default)]
pub struct Servers(Arc<[Server]>);

#[derive(Debug)]
struct Server {
    key: Box<[u8]>,
    touched_at: Micros,
    since: Option<Micros>,
}

impl Detector {
    /// The addresses of servers that it knows now.
    #[must_use]
    pub fn servers(&self) -> Servers {
        let servers = self.servers.iter().map(|(key, touched_at, seen)| Server {
            key: key.into(),
            touched_at,
            since: seen.since,
        });
        Servers(servers.collect())
    }

    /// The same detector, knowing these addresses of servers from the start.
    #[must_use]
    pub fn with_servers(mut self, servers: &Servers) -> Self {
        for server in &*servers.0 {
            self.servers.touch(&server.key, server.touched_at, |seen| {
                seen.since = server.since;
            });
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mode, Output, Rules, Settings};
    use bytes::Bytes;
    use event::{Event, Field, Seq};

    const RULE: &str = "
title: A server speaks to somebody
name: outward
correlation: {type: event_count, rules: speaks, group-by: source.ip, timespan: 5m, condition: {gte: 1}}
nhatky: {when: {any: [{server: source.ip}]}}
---
title: Somebody speaks to somebody
name: speaks
logsource: {product: nhatky, category: connection}
detection: {any: {event.outcome: success}, condition: any}
nhatky: {base: true}
";

    fn event(seq: u64, at: i64) -> Event {
        let mut event = Event::new(Seq(seq), Bytes::new());
        event.set(Field::EVENT_INGESTED, Micros(at));
        event
    }

    fn address() -> std::net::IpAddr {
        std::net::IpAddr::from([10, 0, 0, 9])
    }

    #[test]
    fn servers_of_today_are_known_in_the_past() {
        let rules = Arc::new(Rules::from_texts(
            &[("rule.yml", RULE)],
            &Settings::default(),
        ));
        assert_eq!(rules.problems(), []);
        let mut living = Detector::new(Arc::clone(&rules), Mode::Live);
        let mut own = event(1, 90 * 86_400 * 1_000_000);
        own.set(Field::NHATKY_CATEGORY, "os");
        own.set(Field::HOST_IP, address());
        living.observe(&own, &mut Vec::new());

        let mut connection = event(1, 1_000_000);
        connection.set(Field::NHATKY_CLASS, "connection");
        connection.set(Field::EVENT_OUTCOME, "success");
        connection.set(Field::SOURCE_IP, address());
        let detections = |detector: Detector| {
            let (mut detector, mut out) = (detector, Vec::new());
            detector.observe(&connection, &mut out);
            out.iter()
                .filter(|one| matches!(one, Output::Detection(_)))
                .count()
        };
        let fresh = || Detector::new(Arc::clone(&rules), Mode::Live);
        assert_eq!(detections(fresh()), 0);
        assert_eq!(detections(fresh().with_servers(&living.servers())), 1);
    }
}
