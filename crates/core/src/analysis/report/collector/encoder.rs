//! Writing a collected summary in at most a given number of bytes.

use super::{
    collected::{CollectedDomain, CollectorSummary},
    text::{DomainText, Message, VERSION},
};
use crate::prelude::*;

/// Bytes of a container's termination message where nobody gives less: what the kubelet keeps.
pub const SUMMARY_BYTES_DEFAULT: usize = 4_096;
/// How often sketches are coarsened before they are left out: at 2^5 * 0.5 % = 16 % they still tell the shape.
const COARSENINGS_MAX: u32 = 5;
/// What stands around the domains of a message.
const DOMAINS_FRAME: &str = ",\"d\":[]";

/// How much of a domain is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Counts, figures, and sketches coarsened so often.
    Sketches(u32),
    /// Counts and figures.
    Figures,
    /// Counts.
    Counts,
    /// Nothing but that there is one domain more.
    Nothing,
}

impl CollectorSummary {
    /// The text, in at most `limit` bytes. What there is no room for is left out in this order:
    ///
    /// 1. Sketches become coarser, all together, five times.
    /// 2. Sketches are left out, domain by domain.
    /// 3. Latency and throughput are left out, domain by domain.
    /// 4. Whole domains are left out; their number is told.
    /// 5. The reasons of rejected rows and the misspelt fields are left out; the number of rows is told.
    ///
    /// Domains with OOM events, then those with failed tests, keep their place longest. A limit too small for step 5
    /// (below about 80 bytes) gives an empty text, which no reader takes for a summary. Figures are rounded to six
    /// digits.
    pub fn write(&self, limit: usize) -> String {
        Encoder::new(self).write(limit)
    }
}

/// A summary with what it takes to try many plans: its domains in the order in which they are kept, and their sizes.
struct Encoder<'a> {
    summary: &'a CollectorSummary,
    order: Vec<(&'a String, &'a CollectedDomain)>,
    sizes: Vec<DomainSizes>,
}

impl<'a> Encoder<'a> {
    fn new(summary: &'a CollectorSummary) -> Self {
        let mut order: Vec<_> = summary.domains.iter().collect();
        order.sort_by_key(|(_, domain)| core::cmp::Reverse((domain.oom_events, domain.tests.failed)));
        let sizes = order.iter().map(|(name, domain)| DomainSizes::of(name, domain)).collect();
        Self { summary, order, sizes }
    }

    fn write(&self, limit: usize) -> String {
        let fitting = plans(self.order.len())
            .filter(|plan| self.predicted_size(plan) <= limit)
            .map(|plan| self.encode(&plan, true))
            .find(|text| text.len() <= limit);
        fitting.unwrap_or_else(|| {
            let text = self.encode(&vec![Detail::Nothing; self.order.len()], false);
            if text.len() <= limit { text } else { String::new() }
        })
    }

    fn encode(&self, plan: &[Detail], with_reasons: bool) -> String {
        let told = self.order.iter().zip(plan).filter(|(_, detail)| **detail != Detail::Nothing);
        let domains: Vec<DomainText> =
            told.map(|((name, domain), detail)| DomainText::of(name, domain, *detail)).collect();
        let left_out = self.order.len() - domains.len();
        Message { d: domains, ..self.frame(left_out, with_reasons) }.text()
    }

    /// The length of what [`encode`](Self::encode) gives with reasons, without building it.
    fn predicted_size(&self, plan: &[Detail]) -> usize {
        let told: Vec<usize> = self.sizes.iter().zip(plan).filter_map(|(sizes, detail)| sizes.get(*detail)).collect();
        let frame = self.frame(self.order.len() - told.len(), true).text().len();
        let commas = told.len().saturating_sub(1);
        let brackets = if told.is_empty() { 0 } else { DOMAINS_FRAME.len() };
        frame + brackets + commas + told.iter().sum::<usize>()
    }

    /// The message without its domains.
    fn frame(&self, left_out: usize, with_reasons: bool) -> Message {
        let Self { summary, .. } = self;
        let reasons =
            summary.rejected.iter().map(|(reason, rejections)| (*reason, (rejections.count, rejections.first_line)));
        Message {
            v: VERSION,
            n: summary.rows_accepted,
            r: if with_reasons { reasons.collect() } else { BTreeMap::new() },
            w: if with_reasons { summary.rejected_without_reason } else { summary.rows_rejected() },
            y: if with_reasons { summary.misspelt_fields.clone() } else { BTreeMap::new() },
            u: summary.tests_unchecked_for_duplicates,
            l: summary.domains_left_out + left_out as u64,
            d: Vec::new(),
        }
    }
}

/// The bytes of one domain in each detail.
struct DomainSizes {
    sketches: Vec<usize>,
    figures: usize,
    counts: usize,
}

impl DomainSizes {
    fn of(name: &str, domain: &CollectedDomain) -> Self {
        let size = |detail: Detail| DomainText::of(name, domain, detail).size();
        Self {
            sketches: (0..=COARSENINGS_MAX).map(|level| size(Detail::Sketches(level))).collect(),
            figures: size(Detail::Figures),
            counts: size(Detail::Counts),
        }
    }

    fn get(&self, detail: Detail) -> Option<usize> {
        match detail {
            Detail::Sketches(level) => self.sketches.get(usize::try_from(level).ok()?).copied(),
            Detail::Figures => Some(self.figures),
            Detail::Counts => Some(self.counts),
            Detail::Nothing => None,
        }
    }
}

/// How much of each domain to tell, from everything to nothing.
fn plans(domains: usize) -> impl Iterator<Item = Vec<Detail>> {
    let steps = [
        (Detail::Sketches(COARSENINGS_MAX), Detail::Figures),
        (Detail::Figures, Detail::Counts),
        (Detail::Counts, Detail::Nothing),
    ];
    let mixed = move |(finer, coarser): (Detail, Detail)| {
        (0..domains).rev().map(move |kept| {
            let mut plan = vec![finer; kept];
            plan.resize(domains, coarser);
            plan
        })
    };
    (0..=COARSENINGS_MAX)
        .map(move |level| vec![Detail::Sketches(level); domains])
        .chain(steps.into_iter().flat_map(mixed))
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the tests expect exact figures")]
mod tests;
