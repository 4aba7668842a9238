//! The product's own records: what it says about itself, through the journal, as listener `nhatky`.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::class::vocabulary;
use crate::{Micros, Origin, Record, Seq};

/// A statement of the product about itself: the JSON text of a record from listener `nhatky`.
///
/// The tag `nhatky` names the kind; the parser `nhatky.own` reads it back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "nhatky", rename_all = "kebab-case")]
pub enum OwnRecord {
    /// Appended every 10 s; by it absence is judged in replay as in life.
    Heartbeat {
        /// Seconds since the process started.
        uptime_s: u64,
        /// The last Seq durable when it was made.
        durable_seq: Seq,
    },
    /// Records were, or may have been, lost.
    Loss(Loss),
    /// Retention dropped a partition.
    PartitionDropped {
        /// Its first Seq, which is its name.
        first: Seq,
        /// Its last Seq.
        last: Seq,
        /// How many records it held.
        records: u64,
        /// Receipt time of its newest record.
        newest_at: Micros,
    },
    /// The process started; what recovery found.
    Started {
        /// The product's version.
        version: String,
        /// The last Seq that was there at the start.
        durable_seq: Seq,
    },
    /// The process stopped cleanly.
    Stopped {
        /// Seconds since it started.
        uptime_s: u64,
    },
    /// The clock of a device was found to be off, or right again.
    Clock(ClockFinding),
    /// An administrative act, a search, an export (Điều 6, COMPLIANCE §8).
    Audit(Audit),
}

/// How far the clock of a device is off, as its times and the receipt times tell.
///
/// It holds for what the device sends after this record, until the next finding about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockFinding {
    /// `nhatky.source`.
    pub source: String,
    /// HOSTNAME of the syslog header, empty where there is none: one sender may pass on several devices.
    pub host: String,
    /// What seems to be wrong.
    pub cause: ClockCause,
    /// The device's time minus the true time, in µs; 0 where the clock is right.
    pub offset_us: i64,
    /// How far the minutes looked at differ from each other at most, in µs.
    pub spread_us: i64,
    /// Minutes that agree.
    pub minutes: u32,
    /// Events in them.
    pub events: u64,
}

/// That records were, or may have been, lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// Why.
    pub cause: LossCause,
    /// Whose records: a sender, a listener, or `journal`.
    pub source: String,
    /// Not before this instant.
    pub from: Micros,
    /// Not after this instant.
    pub to: Micros,
    /// How many records at most; `None` where nobody can tell.
    pub records_max: Option<u64>,
    /// Bytes cut or quarantined, where that is known.
    pub bytes: Option<u64>,
    /// The last Seq known good, for losses inside the journal.
    pub last_good: Option<Seq>,
    /// What exactly, for people.
    pub detail: String,
}

vocabulary! {
    /// Why records were, or may have been, lost.
    LossCause {
        /// The kernel dropped datagrams: the socket's buffer was full.
        KernelDrop = "kernel-drop",
        /// A frame could not be understood and the stream was resynchronised.
        Framing = "framing",
        /// A gap in the device's own sequence numbers.
        SequenceGap = "sequence-gap",
        /// A bounded queue was full.
        QueueOverflow = "queue-overflow",
        /// A sender went over its rate share.
        RateLimit = "rate-limit",
        /// The wall clock jumped.
        ClockJump = "clock-jump",
        /// Damage below the last synced Seq was set aside.
        Quarantine = "quarantine",
        /// An unfinished tail was cut at start-up.
        TornTail = "torn-tail",
        /// Detector state was evicted before its time.
        DetectorEviction = "detector-eviction",
    }
}

vocabulary! {
    /// What seems to be wrong with a clock.
    ClockCause {
        /// It is right, as far as receipt times can tell.
        Right = "right",
        /// It is off by whole quarters of an hour: its zone is not the one that its times are read in.
        Zone = "zone",
        /// It is off by something else.
        Clock = "clock",
    }
}

/// An administrative act, a search or an export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// Who: the token's or the account's name; `cli` for the command line on a data directory.
    pub actor: String,
    /// From where.
    pub peer: Option<std::net::IpAddr>,
    /// What: `search`, `alert-acknowledged`, `token-created` and the like.
    pub action: String,
    /// To what.
    pub object: String,
    /// Whether it was done.
    pub allowed: bool,
}

impl OwnRecord {
    /// The record that carries it, received now.
    #[must_use]
    pub fn to_record(&self, now: Micros) -> Record {
        let raw = serde_json::to_vec(self).expect("own records are maps with text keys");
        Record::new(Arc::new(Origin::own()), now, Bytes::from(raw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_record_reads_back_as_it_was() {
        let loss = OwnRecord::Loss(Loss {
            cause: LossCause::KernelDrop,
            source: "syslog-udp".to_owned(),
            from: Micros(0),
            to: Micros(1_000_000),
            records_max: Some(5),
            bytes: None,
            last_good: None,
            detail: "socket buffer full".to_owned(),
        });
        let record = loss.to_record(Micros(2));
        assert_eq!(
            serde_json::from_slice::<OwnRecord>(&record.raw).unwrap(),
            loss
        );
        assert!(
            record
                .raw
                .starts_with(br#"{"nhatky":"loss","cause":"kernel-drop""#)
        );
    }
}
