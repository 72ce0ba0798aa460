//! Writing a report in at most a given number of bytes.

use super::{report::ProbeReport, text::Message};
use crate::prelude::*;

/// Bytes of a container's termination message where nobody gives less: what the kubelet keeps.
pub const MESSAGE_BYTES_DEFAULT: usize = 4_096;
/// Longest value of a flag that is kept once long ones have to go. Values that anything is tuned to are shorter.
const SHORT_VALUE_LENGTH_MAX: usize = 32;
/// Characters that are left of a message once messages are shortened.
const SHORT_MESSAGE_LENGTH_MAX: usize = 60;

/// A part of a report that a small message has no room for, in the order in which they are given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReportPart {
    /// Which requests met their limits; how many is still told. Ranking then compares without pairs.
    Met,
    /// Median, percentiles and extremes of every metric; count, mean and standard deviation are still told.
    Quantiles,
    /// Values of the engine's flags above 32 characters.
    LongValues,
    /// What of the messages lies beyond 60 characters.
    Messages,
    /// The metrics, what latencies came to at least, the engine's own figures and the client's pace.
    Metrics,
    /// The engine's configuration, the model and the GPUs.
    Environment,
    /// The deaths. The kubelet's count of restarts still tells how many there were.
    Deaths,
}

impl ReportPart {
    /// Every part, in the order in which they are given up.
    pub const ALL: [Self; 7] =
        [Self::Met, Self::Quantiles, Self::LongValues, Self::Messages, Self::Metrics, Self::Environment, Self::Deaths];

    /// What a measurement's notes say of a report without this part.
    pub const fn note(self) -> &'static str {
        match self {
            Self::Met => "the probe's message had no room to tell which requests met their limits",
            Self::Quantiles => "the probe's message had no room for quantiles, so no latency can be judged",
            Self::LongValues => "the probe's message had no room for long values of engine flags",
            Self::Messages => "the probe's message had no room for whole messages",
            Self::Metrics => "the probe's message had no room for metrics",
            Self::Environment => "the probe's message had no room for the engine's configuration",
            Self::Deaths => "the probe's message had no room for the engine's deaths",
        }
    }
}

impl ProbeReport {
    /// The text, in at most `limit` bytes. What there is no room for is given up in the order of [`ReportPart::ALL`], and
    /// `dropped` tells it. A limit too small even for the rest (below about 300 bytes) gives an empty text, which no
    /// reader takes for a report. Figures are rounded to six digits, times to milliseconds; figures that are not finite
    /// are left out.
    pub fn write(&self, limit: usize) -> String {
        let mut report = self.clone();
        let whole = Message::of(&report).text();
        if whole.len() <= limit {
            return whole;
        }
        for part in ReportPart::ALL {
            if report.give_up(part) {
                report.dropped.insert(part);
                let text = Message::of(&report).text();
                if text.len() <= limit {
                    return text;
                }
            }
        }
        String::new()
    }

    /// Takes a part away; `false` if there was nothing of it.
    fn give_up(&mut self, part: ReportPart) -> bool {
        let before = self.clone();
        match part {
            ReportPart::Met => self.met = None,
            ReportPart::Quantiles => {
                let metrics = self.metrics.values_mut().chain(&mut self.inter_token_latency);
                metrics.filter(|metric| metric.count > 1).for_each(|metric| metric.spread = None);
            }
            ReportPart::LongValues => {
                if let Some(engine) = &mut self.engine {
                    engine.configuration.retain(|_, value| value.len() <= SHORT_VALUE_LENGTH_MAX);
                }
            }
            ReportPart::Messages => {
                let messages = self.deaths.iter_mut().map(|death| &mut death.failure.message);
                messages.chain([&mut self.detail]).for_each(shorten);
            }
            ReportPart::Metrics => {
                self.metrics.clear();
                self.latency_bounds.clear();
                (self.inter_token_latency, self.engine_view) = (None, None);
                (self.cross_check, self.client) = (None, None);
            }
            ReportPart::Environment => (self.engine, self.gpu) = (None, None),
            ReportPart::Deaths => self.deaths.clear(),
        }
        *self != before
    }
}

fn shorten(message: &mut String) {
    *message = message.chars().take(SHORT_MESSAGE_LENGTH_MAX).collect();
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
