//! Far more, or far fewer, than usual: events per window of detector time against the windows of that hour before.

use event::{Micros, Seq};

use crate::episode::{END, Episode};
use crate::store::{Kept, Store, list_bytes};
use crate::usual::{Band, Season, Usual};

/// What is known of one key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) current: Window,
    /// A window that has ended and waits for the next heartbeat to be judged.
    pub(crate) ended: Option<Box<Window>>,
    pub(crate) usual: Usual,
    pub(crate) episode: Option<Box<Episode>>,
}

/// A window of one key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// Detector time divided by the window's length; 0 before the first.
    pub(crate) number: i64,
    /// How long it was watched, or, while it lasts, when that began, in time awake.
    pub(crate) awake_us: i64,
    pub(crate) count: u64,
    /// The latest Seqs.
    pub(crate) seqs: Vec<Seq>,
    pub(crate) first_at: Micros,
}

impl Kept for Pace {
    fn heap_bytes(&self) -> usize {
        let ended = self.ended.as_deref();
        list_bytes::<Seq>(self.current.seqs.len())
            + ended.map_or(0, |ended| {
                size_of::<Window>() + list_bytes::<Seq>(ended.seqs.len())
            })
            + self.usual.heap_bytes()
            + self.episode.as_deref().map_or(0, Episode::heap_bytes)
    }
}

/// On which side of the band a count is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    #[default]
    Above,
    Below,
    Both,
}

/// When a window is reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How many standard deviations from the median.
    pub(crate) deviations: u32,
    pub(crate) side: Side,
    /// The count, or where it fell what was usual, must be at least this.
    pub(crate) at_least: u64,
    /// How many windows of the same season must be known.
    pub(crate) samples: usize,
}

/// Where windows lie in time, and where detector time is among them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows<F> {
    pub(crate) length_us: i64,
    /// Detector time, and how much of it the program was awake.
    pub(crate) now: Micros,
    pub(crate) awake_us: i64,
    /// The season of an instant.
    pub(crate) season: F,
}

impl<F: Fn(Micros) -> Season> Windows<F> {
    fn length(&self) -> i64 {
        self.length_us.max(1)
    }

    /// The number of the present window.
    fn present(&self) -> i64 {
        self.now.0.div_euclid(self.length())
    }

    fn began(&self, number: i64) -> Micros {
        Micros(number.saturating_mul(self.length()))
    }

    /// The window, if it has ended: with how long it was watched.
    fn ended(&self, window: Window) -> Option<Window> {
        let has_ended = window.number != 0 && window.number < self.present();
        has_ended.then(|| Window {
            awake_us: self.awake_us.saturating_sub(window.awake_us),
            ..window
        })
    }

    fn begin(&self) -> Window {
        Window {
            number: self.present(),
            awake_us: self.awake_us,
            ..Window::default()
        }
    }

    /// Whether an ended window was watched for three quarters at least: neither the key was met in its midst nor did the
    /// program stand still. Others are neither judged nor learnt.
    fn was_watched(&self, ended: &Window) -> bool {
        ended.awake_us >= self.length() / 4 * 3
    }
}

/// A window that closed with an unusual count.
#[derive(Debug)]
pub(crate) struct Excess {
    pub(crate) key: Vec<u8>,
    pub(crate) count: u64,
    pub(crate) band: Band,
    pub(crate) first_at: Micros,
    pub(crate) seqs: Vec<Seq>,
}

impl Pace {
    /// Counts an event in the present window.
    pub(crate) fn count<F: Fn(Micros) -> Season>(
        &mut self,
        windows: &Windows<F>,
        at: Micros,
        seq: Seq,
    ) {
        self.move_on(windows);
        let window = &mut self.current;
        if window.count == 0 {
            window.first_at = at;
        }
        window.count += 1;
        if window.seqs.len() == END {
            window.seqs.remove(0);
        }
        window.seqs.push(seq);
    }

    /// Begins the present window, if it is another than the one that was counted.
    fn move_on<F: Fn(Micros) -> Season>(&mut self, windows: &Windows<F>) {
        if self.current.number == windows.present() {
            return;
        }
        let before = std::mem::replace(&mut self.current, windows.begin());
        if let Some(ended) = windows.ended(before) {
            self.ended = Some(Box::new(ended));
        }
    }

    /// Takes what has ended, learns it, and gives it with the band that it lies outside of, if it does.
    fn judge<F: Fn(Micros) -> Season>(
        &mut self,
        windows: &Windows<F>,
        limits: Limits,
    ) -> Option<(Window, Band)> {
        self.move_on(windows);
        let ended = self.ended.take()?;
        if !windows.was_watched(&ended) {
            return None;
        }
        let began = windows.began(ended.number);
        let season = (windows.season)(began);
        let band = self.usual.band(season, limits.deviations, limits.samples);
        self.usual.learn(season, began, ended.count);
        let band = band.filter(|band| limits.are_passed(ended.count, band))?;
        let first_at = match ended.count {
            0 => began,
            _ => ended.first_at,
        };
        Some((Window { first_at, ..*ended }, band))
    }
}

impl Limits {
    fn are_passed(&self, count: u64, band: &Band) -> bool {
        #[expect(
            clippy::cast_precision_loss,
            reason = "counts of a window are far below 2^52"
        )]
        let number = count as f64;
        let above = number > band.high && count >= self.at_least;
        let below = number < band.low && u64::from(band.median) >= self.at_least;
        match self.side {
            Side::Above => above,
            Side::Below => below,
            Side::Both => above || below,
        }
    }
}

impl Store<Pace> {
    /// At a heartbeat: the keys of which a window has ended with an unusual count.
    pub(crate) fn judge<F: Fn(Micros) -> Season>(
        &mut self,
        windows: &Windows<F>,
        limits: Limits,
    ) -> Vec<Excess> {
        let has_ended =
            |pace: &Pace| pace.ended.is_some() || pace.current.number < windows.present();
        let over = self.iter().filter(|(_, _, pace)| has_ended(pace));
        let keys: Vec<Vec<u8>> = over.map(|(key, _, _)| key.to_vec()).collect();
        let judged = keys.into_iter().filter_map(|key| {
            let found = self.amend(&key, windows.now, |pace| pace.judge(windows, limits))??;
            let (window, band) = found;
            Some(Excess {
                key,
                count: window.count,
                band,
                first_at: window.first_at,
                seqs: window.seqs,
            })
        });
        judged.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: i64 = 100;

    /// Counts so many events in each window, and a heartbeat late in the window and early in the next, after the first
    /// event there.
    fn told(side: Side, at_least: u64, counts: &[(i64, u64)]) -> Vec<(i64, u64)> {
        let limits = Limits {
            deviations: 3,
            side,
            at_least,
            samples: 4,
        };
        let mut store: Store<Pace> = Store::new(1 << 20, i64::MAX);
        let (mut told, mut awake_us, mut before) = (Vec::new(), 0, None);
        for (window, count) in counts.iter().copied() {
            // Time in which no window is named passes asleep.
            let stood_still = before.is_some_and(|before| before + 1 != window);
            let windows = Windows {
                length_us: LENGTH,
                now: Micros(window * LENGTH + if stood_still { LENGTH / 2 } else { 1 }),
                awake_us,
                season: |_| Season(0),
            };
            for number in 0..count.max(1) {
                if number < count {
                    store.touch(b"k", windows.now, |pace| {
                        pace.count(&windows, windows.now, Seq(1));
                    });
                }
                if number == 0 {
                    let judged = store.judge(&windows, limits);
                    told.extend(judged.iter().map(|excess| (window - 1, excess.count)));
                }
            }
            let passed = (window + 1) * LENGTH - windows.now.0;
            awake_us += passed;
            before = Some(window);
        }
        told
    }

    #[test]
    fn a_window_is_judged_by_those_before_it() {
        let counts = [
            (1, 10),
            (2, 10),
            (3, 12),
            (4, 9),
            (5, 60),
            (6, 10),
            (7, 70),
            (8, 1),
        ];
        assert_eq!(told(Side::Above, 5, &counts), [(5, 60), (7, 70)]);
        assert_eq!(told(Side::Above, 65, &counts), [(7, 70)]);
    }

    #[test]
    fn fewer_than_usual_is_told_where_it_is_asked_for() {
        let mut counts: Vec<(i64, u64)> = (1..8).map(|window| (window, 100)).collect();
        counts.extend([(8, 0), (9, 100)]);
        assert_eq!(told(Side::Above, 5, &counts), []);
        assert_eq!(told(Side::Below, 5, &counts), [(8, 0)]);
        assert_eq!(told(Side::Both, 5, &counts), [(8, 0)]);
        // Where little is usual, nothing is missed.
        assert_eq!(told(Side::Below, 200, &counts), []);
    }

    #[test]
    fn windows_in_which_the_program_did_not_run_are_neither_judged_nor_learnt() {
        let mut counts: Vec<(i64, u64)> = (1..8).map(|window| (window, 100)).collect();
        // It stood still from 8 to 19, and began again in the middle of 20.
        counts.extend([(20, 3), (21, 100), (22, 100)]);
        assert_eq!(told(Side::Both, 5, &counts), []);
    }
}
