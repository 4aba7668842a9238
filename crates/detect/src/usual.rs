//! What is usual at this time of the day: counts of past windows by kind of day and hour, judged by their median and its
//! median absolute deviation, which a few wild windows do not move.

use event::Micros;

use crate::store::list_bytes;

/// Windows remembered of each season: of an hour on working days, two and a half weeks.
pub(crate) const DEPTH: usize = 12;
/// A median absolute deviation times this is the standard deviation of a normal distribution.
const TO_STANDARD: f64 = 1.4826;

/// An hour of a working day or of another day: 0 to 47.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Season(pub(crate) u8);

/// The counts of past windows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Usual {
    /// In the order of their seasons.
    pub(crate) seasons: Vec<(Season, Vec<u32>)>,
    /// When the first window began that was learnt.
    pub(crate) since: Option<Micros>,
}

/// What counts are usual in a season.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Band {
    /// The median of the past windows.
    pub(crate) median: u32,
    /// A count outside is unusual.
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// How many windows it is made of.
    pub(crate) samples: usize,
    /// Since when they were learnt.
    pub(crate) since: Micros,
}

impl Usual {
    pub(crate) fn heap_bytes(&self) -> usize {
        let lists = self.seasons.iter();
        let lists = lists.map(|(_, counts)| list_bytes::<u32>(counts.len()));
        list_bytes::<(Season, Vec<u32>)>(self.seasons.len()) + lists.sum::<usize>()
    }

    /// Learns the count of a window that began then.
    pub(crate) fn learn(&mut self, season: Season, began: Micros, count: u64) {
        self.since.get_or_insert(began);
        let place = match self
            .seasons
            .binary_search_by_key(&season, |(known, _)| *known)
        {
            Ok(place) => place,
            Err(place) => {
                self.seasons.insert(place, (season, Vec::new()));
                place
            }
        };
        if let Some((_, counts)) = self.seasons.get_mut(place) {
            if counts.len() == DEPTH {
                counts.remove(0);
            }
            counts.push(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// What is usual in that season: within so many standard deviations of the median, if at least so many windows are
    /// known. A count scatters by its own square root, however even the past was.
    pub(crate) fn band(&self, season: Season, deviations: u32, samples: usize) -> Option<Band> {
        let place = self
            .seasons
            .binary_search_by_key(&season, |(known, _)| *known);
        let (_, counts) = self.seasons.get(place.ok()?)?;
        if counts.is_empty() || counts.len() < samples {
            return None;
        }
        let middle = median(counts.clone());
        let apart = counts.iter().map(|count| count.abs_diff(middle)).collect();
        let scatter = f64::from(median(apart)) * TO_STANDARD;
        let scatter = scatter.max(f64::from(middle).sqrt()).max(1.0) * f64::from(deviations);
        Some(Band {
            median: middle,
            low: f64::from(middle) - scatter,
            high: f64::from(middle) + scatter,
            samples: counts.len(),
            since: self.since?,
        })
    }
}

/// The middle number; of two the greater, of none zero.
pub(crate) fn median<N: Copy + Ord + Default>(mut numbers: Vec<N>) -> N {
    let middle = numbers.len() / 2;
    if numbers.is_empty() {
        return N::default();
    }
    *numbers.select_nth_unstable(middle).1
}

#[cfg(test)]
mod tests {
    use super::*;

    const MORNING: Season = Season(9);
    const NIGHT: Season = Season(2);

    fn usual(counts: &[u64]) -> Usual {
        let mut usual = Usual::default();
        for (at, count) in (1..).zip(counts) {
            usual.learn(MORNING, Micros(at), *count);
        }
        usual
    }

    #[test]
    fn nothing_is_said_before_enough_windows_of_the_season_are_known() {
        let known = usual(&[100; 4]);
        assert_eq!(known.band(MORNING, 3, 5), None);
        assert_eq!(known.band(NIGHT, 3, 1), None);
        let band = usual(&[100; 5]).band(MORNING, 3, 5).unwrap();
        assert_eq!((band.median, band.samples, band.since), (100, 5, Micros(1)));
        // Ten is the square root of a hundred.
        assert_eq!((band.low, band.high), (70.0, 130.0));
    }

    #[test]
    fn a_wild_window_moves_the_band_little_and_is_forgotten_in_time() {
        let even = usual(&[100, 110, 90, 100, 105, 95])
            .band(MORNING, 3, 5)
            .unwrap();
        let wild = usual(&[100, 110, 90, 100, 105, 95, 100_000])
            .band(MORNING, 3, 5)
            .unwrap();
        assert!(wild.high < even.high * 1.2, "{wild:?}");
        let mut counts = vec![100_000];
        counts.extend([100; DEPTH]);
        let band = usual(&counts).band(MORNING, 3, 5).unwrap();
        assert_eq!((band.low, band.high), (70.0, 130.0));
    }

    #[test]
    fn what_scatters_much_has_a_wide_band() {
        let band = usual(&[10, 500, 90, 300, 20, 250])
            .band(MORNING, 3, 5)
            .unwrap();
        assert!(band.low < 0.0 && band.high > 600.0, "{band:?}");
    }
}
