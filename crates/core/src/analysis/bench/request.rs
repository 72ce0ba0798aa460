//! The requests of a detailed result, one by one.

use super::{document::Document, error::BenchError};
use crate::prelude::*;

/// Milliseconds per second.
pub(super) const MS_PER_SECOND: f64 = 1_000.0;

/// One completed request.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BenchRequest {
    /// First token - send, milliseconds.
    pub time_to_first_token_ms: f64,
    /// Last token - send, milliseconds; absent where the file has neither latencies nor gaps.
    pub end_to_end_latency_ms: Option<f64>,
    /// (E2E - TTFT) / (output tokens - 1), milliseconds; absent below two output tokens.
    pub time_per_output_token_ms: Option<f64>,
}

/// Limits of a latency objective, in milliseconds; an absent one limits nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LatencyLimits {
    /// Largest time to first token.
    pub time_to_first_token_ms: Option<f64>,
    /// Largest time per output token. A request of one output token has none and meets this limit, as for the goodput of
    /// `vllm bench serve`.
    pub time_per_output_token_ms: Option<f64>,
    /// Largest end-to-end latency.
    pub end_to_end_latency_ms: Option<f64>,
}

impl LatencyLimits {
    /// Whether a request meets every limit, each included. `None` where a limit can't be held against it.
    pub fn are_met_by(&self, request: &BenchRequest) -> Option<bool> {
        let within = |figure: f64, limit: Option<f64>| limit.is_none_or(|limit| figure <= limit);
        let needs_end = self.end_to_end_latency_ms.is_some() || self.time_per_output_token_ms.is_some();
        let end_to_end = match request.end_to_end_latency_ms {
            None if needs_end => return None,
            latency => latency.is_none_or(|latency| within(latency, self.end_to_end_latency_ms)),
        };
        let per_token = request.time_per_output_token_ms.is_none_or(|time| within(time, self.time_per_output_token_ms));
        Some(end_to_end && per_token && within(request.time_to_first_token_ms, self.time_to_first_token_ms))
    }
}

/// The requests of a detailed result: the completed ones, and how many failed. A request failed if it has an error, or
/// no first token.
pub(super) struct BenchRequests {
    pub(super) completed: Vec<BenchRequest>,
    pub(super) failed: u64,
}

/// Reads the lists of a detailed result; `None` where it is a short one.
pub(super) fn read_requests(document: &Document, offered: u64) -> Result<Option<BenchRequests>, BenchError> {
    let Some(first_tokens) = document.figures("ttfts")? else {
        return Ok(None);
    };
    let length = first_tokens.len();
    if length as u64 > offered {
        let expected = format!("at most {offered}, the \"num_prompts\"");
        return Err(BenchError::LengthMismatch { field: "ttfts".to_owned(), found: length, expected });
    }
    let latencies = match (of_length("latencies", document.figures("latencies")?, length)?, document.gap_sums_seconds())
    {
        (Some(latencies), _) => Some(latencies),
        (None, Some(sums)) => {
            let sums = of_length("itls", Some(sums.to_vec()), length)?.unwrap_or_default();
            Some(first_tokens.iter().zip(sums).map(|(first, gaps)| first + gaps).collect())
        }
        (None, None) => None,
    };
    let tokens = of_length("output_lens", document.counts("output_lens")?, length)?;
    let has_error = of_length("errors", document.non_empty("errors")?, length)?;
    let mut requests = BenchRequests { completed: Vec::with_capacity(length), failed: 0 };
    for (place, first_token) in first_tokens.into_iter().enumerate() {
        let failed = has_error.as_ref().and_then(|errors| errors.get(place)).copied().unwrap_or(false);
        if failed || first_token <= 0.0 {
            requests.failed += 1;
            continue;
        }
        let latency = latencies.as_ref().and_then(|list| list.get(place)).copied();
        let tokens = tokens.as_ref().and_then(|list| list.get(place)).copied();
        requests.completed.push(request_of(first_token, latency, tokens));
    }
    Ok(Some(requests))
}

fn request_of(first_token_seconds: f64, latency_seconds: Option<f64>, tokens: Option<u64>) -> BenchRequest {
    let after_first = |latency: f64, tokens: u64| {
        // The file's numbers are rounded, so that the last token of a fast request may seem to come before the first.
        let rest_ms = ((latency - first_token_seconds) * MS_PER_SECOND).max(0.0);
        (tokens > 1).then(|| rest_ms / (tokens - 1) as f64)
    };
    BenchRequest {
        time_to_first_token_ms: first_token_seconds * MS_PER_SECOND,
        end_to_end_latency_ms: latency_seconds.map(|latency| latency * MS_PER_SECOND),
        time_per_output_token_ms: latency_seconds
            .zip(tokens)
            .and_then(|(latency, tokens)| after_first(latency, tokens)),
    }
}

/// The list, if it is as long as the others.
fn of_length<T>(field: &str, list: Option<Vec<T>>, length: usize) -> Result<Option<Vec<T>>, BenchError> {
    match list {
        Some(list) if list.len() != length => Err(BenchError::LengthMismatch {
            field: field.to_owned(),
            found: list.len(),
            expected: format!("{length}, as \"ttfts\" has"),
        }),
        list => Ok(list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(first: f64, end: Option<f64>, per_token: Option<f64>) -> BenchRequest {
        BenchRequest { time_to_first_token_ms: first, end_to_end_latency_ms: end, time_per_output_token_ms: per_token }
    }

    #[test]
    fn a_limit_is_met_at_the_limit_and_not_above() {
        let limits = LatencyLimits {
            time_to_first_token_ms: Some(20.0),
            time_per_output_token_ms: Some(5.0),
            end_to_end_latency_ms: Some(100.0),
        };
        for (first, end, per_token, met) in [
            (20.0, 100.0, 5.0, true),
            (20.01, 100.0, 5.0, false),
            (20.0, 100.01, 5.0, false),
            (20.0, 100.0, 5.01, false),
        ] {
            assert_eq!(limits.are_met_by(&request(first, Some(end), Some(per_token))), Some(met));
        }
        assert_eq!(limits.are_met_by(&request(20.0, Some(100.0), None)), Some(true));
    }

    #[test]
    fn a_limit_that_cannot_be_checked_is_not_met_by_silence() {
        let unseen = request(10.0, None, None);
        let end = LatencyLimits { end_to_end_latency_ms: Some(100.0), ..LatencyLimits::default() };
        let per_token = LatencyLimits { time_per_output_token_ms: Some(5.0), ..LatencyLimits::default() };
        let first = LatencyLimits { time_to_first_token_ms: Some(20.0), ..LatencyLimits::default() };
        assert_eq!(end.are_met_by(&unseen), None);
        assert_eq!(per_token.are_met_by(&unseen), None);
        assert_eq!(first.are_met_by(&unseen), Some(true));
        assert_eq!(LatencyLimits::default().are_met_by(&unseen), Some(true));
    }

    #[test]
    fn time_per_output_token_needs_two_tokens() {
        assert_eq!(request_of(0.010, Some(0.110), Some(11)).time_per_output_token_ms, Some(10.0));
        assert!((request_of(0.010, Some(0.110), Some(2)).time_per_output_token_ms.unwrap() - 100.0).abs() < 1e-9);
        assert_eq!(request_of(0.010, Some(0.010), Some(1)).time_per_output_token_ms, None);
        assert_eq!(request_of(0.010, Some(0.110), None).time_per_output_token_ms, None);
        assert_eq!(request_of(0.010, None, Some(11)).time_per_output_token_ms, None);
        assert_eq!(request_of(0.010, Some(0.00999), Some(11)).time_per_output_token_ms, Some(0.0));
    }
}
