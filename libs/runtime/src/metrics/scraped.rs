//! A scrape read back and held against [`list`](super::list): for tests, of this process or of another.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{
    family::{Kind, Metric},
    list,
};

/// One number of a scrape.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its name as it stands, with the end that histograms add.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The number.
    pub value: f64,
}

/// A scrape that is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScrapeError {
    /// A line that is not of the text form.
    #[error("not a line of a scrape: {0}")]
    Form(String),
    /// A metric that is not on the list, or on it with another kind, help or other labels.
    #[error("not as it is listed: {0}")]
    Unlisted(String),
}

/// The samples of a scrape, if all of it is on the list.
///
/// # Errors
/// [`ScrapeError`], the first line that is not.
pub fn read(text: &str) -> Result<Vec<Sample>, ScrapeError> {
    let metrics = list::all();
    let mut samples = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            check_comment(&metrics, comment).ok_or_else(|| ScrapeError::Unlisted(line.to_owned()))?;
            continue;
        }
        let sample = sample(line).ok_or_else(|| ScrapeError::Form(line.to_owned()))?;
        check_sample(&metrics, &sample).ok_or_else(|| ScrapeError::Unlisted(line.to_owned()))?;
        samples.push(sample);
    }
    Ok(samples)
}

/// `HELP name text` or `TYPE name kind`.
fn check_comment(metrics: &[&Metric], comment: &str) -> Option<()> {
    let mut words = comment.splitn(3, ' ');
    let (keyword, name, rest) = (words.next()?, words.next()?, words.next()?);
    let metric = metrics.iter().find(|metric| metric.name == name)?;
    let expected = match keyword {
        "HELP" => metric.help,
        "TYPE" => metric.kind.as_str(),
        _ => return None,
    };
    (rest == expected).then_some(())
}

fn check_sample(metrics: &[&Metric], sample: &Sample) -> Option<()> {
    let (metric, end) = metrics.iter().find_map(|metric| {
        let end = sample.name.strip_prefix(metric.name)?;
        let fits = match metric.kind {
            Kind::Counter | Kind::Gauge => end.is_empty(),
            Kind::Histogram => matches!(end, "_bucket" | "_sum" | "_count"),
        };
        fits.then_some((metric, end))
    })?;
    let own = sample
        .labels
        .iter()
        .filter(|(name, _)| !(end == "_bucket" && *name == "le"));
    let mut count = 0;
    for (name, value) in own {
        let label = metric.labels.iter().find(|label| label.name == name)?;
        label.takes(value).then_some(())?;
        count += 1;
    }
    let has_bound = sample.labels.contains_key("le");
    (count == metric.labels.len() && has_bound == (end == "_bucket")).then_some(())
}

/// `name value` or `name{label="value",…} value`.
fn sample(line: &str) -> Option<Sample> {
    let name_len = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(name_len);
    let mut labels = BTreeMap::new();
    let rest = match rest.strip_prefix('{') {
        None => rest,
        Some(mut rest) => loop {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.insert(label.to_owned(), value);
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None => break after.strip_prefix('}')?,
            }
        },
    };
    let value = match rest.strip_prefix(' ')? {
        "+Inf" => f64::INFINITY,
        number => number.parse().ok()?,
    };
    (!name.is_empty()).then(|| Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// A value up to its closing quote, and what comes after that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    loop {
        match chars.next()? {
            (at, '"') => return Some((value, &text[at + 1..])),
            (_, '\\') => value.push(match chars.next()?.1 {
                'n' => '\n',
                escaped => escaped,
            }),
            (_, plain) => value.push(plain),
        }
    }
}

/// The sum of all samples of this name whose labels have these values, whatever others they have.
#[must_use]
pub fn sum(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> f64 {
    let has = |sample: &&Sample| {
        let mut wanted = labels.iter();
        sample.name == name
            && wanted.all(|(label, value)| sample.labels.get(*label).is_some_and(|own| own == value))
    };
    samples.iter().filter(has).map(|sample| sample.value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_the_list_is_read() {
        let text = concat!(
            "# HELP foxhold_build_info Always 1: the labels say what runs.\n",
            "# TYPE foxhold_build_info gauge\n",
            "foxhold_build_info{role=\"a \\\"b\\\" \\\\ c\",version=\"1,2}\"} 1\n\n",
            "foxhold_process_start_timestamp_seconds 1.5\n",
            "foxhold_token_step_duration_seconds_bucket{step=\"read\",le=\"+Inf\"} 2\n",
            "foxhold_token_step_duration_seconds_sum{step=\"read\"} 0.25\n",
            "foxhold_token_step_duration_seconds_sum{step=\"sign\"} 0.5\n",
        );
        let samples = read(text).unwrap();
        assert_eq!(samples.len(), 5);
        assert_eq!(samples[0].labels["role"], "a \"b\" \\ c");
        assert_eq!(samples[0].labels["version"], "1,2}");
        let sums = "foxhold_token_step_duration_seconds_sum";
        assert_eq!(sum(&samples, sums, &[]).to_string(), "0.75");
        assert_eq!(sum(&samples, sums, &[("step", "read")]).to_string(), "0.25");
    }

    #[test]
    fn what_is_not_is_refused() {
        let step = "foxhold_token_step_duration_seconds";
        let unlisted = [
            "foxhold_unheard_of_total 1".to_owned(),
            "# TYPE foxhold_build_info counter".to_owned(),
            "# HELP foxhold_build_info Something else.".to_owned(),
            "foxhold_build_info{role=\"a\"} 1".to_owned(),
            "foxhold_build_info{role=\"a\",version=\"1\",uid=\"42\"} 1".to_owned(),
            format!("{step}_sum{{step=\"guess\"}} 1"),
            format!("{step}_sum{{step=\"read\",le=\"1\"}} 1"),
            format!("{step}_bucket{{step=\"read\"}} 1"),
            format!("{step}{{step=\"read\"}} 1"),
        ];
        for line in unlisted {
            assert_eq!(read(&line), Err(ScrapeError::Unlisted(line.clone())), "{line}");
        }
        for line in [
            "foxhold_build_info",
            "foxhold_build_info{role=\"a} 1",
            "{} 1",
            "a{b=\"c\"d=\"e\"} 1",
            "a x",
        ] {
            assert_eq!(read(line), Err(ScrapeError::Form(line.to_owned())), "{line}");
        }
    }
}
