//! A metric with all combinations of its labels. A combination's handle is made when it is first used, and kept: from
//! then on counting is a look into a small map and one atomic addition.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

use ::metrics::{Counter, Gauge, Histogram, Key, Label as Pair, Level, Metadata, Recorder as _};

use super::{COUNTED, label::Label};

/// What a number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows, until the process ends.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How often something took how long.
    Histogram,
}

impl Kind {
    /// As the text form and the documentation call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What there is to know of a metric before anything is counted.
#[derive(Debug)]
pub struct Metric {
    /// `foxhold_<area>_<what>_<unit>`, and `_total` for counters.
    pub name: &'static str,
    /// What its numbers mean.
    pub kind: Kind,
    /// Its labels, in order.
    pub labels: &'static [Label],
    /// One sentence, for the scrape and the documentation.
    pub help: &'static str,
}

/// A handle that counts.
pub trait Handle: Clone + Send + Sync + 'static {
    /// What its numbers mean.
    const KIND: Kind;

    /// Makes the one for this name with these labels.
    fn made(key: &Key) -> Self;
}

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

impl Handle for Counter {
    const KIND: Kind = Kind::Counter;

    fn made(key: &Key) -> Self {
        COUNTED.recorder.register_counter(key, &METADATA)
    }
}

impl Handle for Gauge {
    const KIND: Kind = Kind::Gauge;

    fn made(key: &Key) -> Self {
        COUNTED.recorder.register_gauge(key, &METADATA)
    }
}

impl Handle for Histogram {
    const KIND: Kind = Kind::Histogram;

    fn made(key: &Key) -> Self {
        COUNTED.recorder.register_histogram(key, &METADATA)
    }
}

/// A metric with `N` labels.
pub struct Family<T, const N: usize> {
    metric: Metric,
    handles: RwLock<BTreeMap<[&'static str; N], T>>,
}

/// A counter with `N` labels.
pub type Counters<const N: usize> = Family<Counter, N>;
/// A gauge with `N` labels.
pub type Gauges<const N: usize> = Family<Gauge, N>;
/// A histogram of seconds with `N` labels.
pub type Histograms<const N: usize> = Family<Histogram, N>;

impl<T: Handle, const N: usize> Family<T, N> {
    pub(super) const fn new(name: &'static str, labels: &'static [Label; N], help: &'static str) -> Self {
        let metric = Metric {
            name,
            kind: T::KIND,
            labels,
            help,
        };
        Self {
            metric,
            handles: RwLock::new(BTreeMap::new()),
        }
    }

    /// What is counted.
    #[must_use]
    pub const fn metric(&self) -> &Metric {
        &self.metric
    }

    /// The handle for these values, one for each label in order.
    pub fn of(&self, values: [&'static str; N]) -> T {
        let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = handles.get(&values) {
            return handle.clone();
        }
        drop(handles);
        self.made(values)
    }

    fn made(&self, values: [&'static str; N]) -> T {
        let labelled = self.metric.labels.iter().zip(values);
        let pairs: Vec<Pair> = labelled
            .inspect(|(label, value)| {
                debug_assert!(label.takes(value), "{}: {}={value}", self.metric.name, label.name);
            })
            .map(|(label, value)| Pair::from_static_parts(label.name, value))
            .collect();
        let key = Key::from_parts(self.metric.name, pairs);
        let mut handles = self.handles.write().unwrap_or_else(PoisonError::into_inner);
        handles.entry(values).or_insert_with(|| T::made(&key)).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{label, text};

    static TRIED: Counters<1> = Counters::new("foxhold_tried_total", &[label::METHOD], "Only in this test.");

    #[test]
    fn a_combination_has_one_handle_whoever_asks_for_it() {
        TRIED.of(["GET"]).increment(1);
        TRIED.of(["GET"]).increment(2);
        TRIED.of(["PUT"]).increment(5);
        let text = text();
        for line in [
            "foxhold_tried_total{method=\"GET\"} 3",
            "foxhold_tried_total{method=\"PUT\"} 5",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
    }

    #[test]
    #[should_panic(expected = "foxhold_tried_total: method=BREW")]
    fn a_value_that_its_label_does_not_know_is_a_fault_of_ours() {
        let _ = TRIED.of(["BREW"]);
    }
}
