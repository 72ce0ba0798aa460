//! What the server counts of its requests, as `prometheus-fastapi-instrumentator` does.

use std::{collections::BTreeMap, time::Duration};

use super::{
    histogram::{HTTP_COARSE, HTTP_FINE, Histogram},
    page::Page,
};

/// One request that was answered.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) handler: String,
    pub(crate) method: String,
    pub(crate) status: u16,
    /// The lengths that the headers state; 0 where they state none.
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    pub(crate) lasted: Duration,
}

/// Counts of one handler, by which it is told apart, and since when, seconds since 1970.
#[derive(Debug, Clone)]
struct Handler {
    created: f64,
    count: u64,
    request_bytes: u64,
    response_bytes: u64,
}

/// Counts of all handlers.
#[derive(Debug, Clone)]
pub(crate) struct HttpFigures {
    requests: BTreeMap<(String, String, String), (u64, f64)>,
    handlers: BTreeMap<String, Handler>,
    durations: BTreeMap<(String, String), (Histogram, f64)>,
    fine: Histogram,
}

impl HttpFigures {
    pub(crate) fn new() -> Self {
        Self {
            requests: BTreeMap::new(),
            handlers: BTreeMap::new(),
            durations: BTreeMap::new(),
            fine: Histogram::new(HTTP_FINE),
        }
    }

    /// A request was answered; `now` in seconds since 1970.
    pub(crate) fn answered(&mut self, exchange: &Exchange, now: f64) {
        let Exchange { handler, method, status, request_bytes, response_bytes, lasted } = exchange;
        let class = format!("{}xx", status / 100);
        self.requests.entry((handler.clone(), method.clone(), class)).or_insert((0, now)).0 += 1;
        let first = Handler { created: now, count: 0, request_bytes: 0, response_bytes: 0 };
        let counts = self.handlers.entry(handler.clone()).or_insert(first);
        counts.count += 1;
        counts.request_bytes += request_bytes;
        counts.response_bytes += response_bytes;
        let key = (handler.clone(), method.clone());
        let (coarse, _) = self.durations.entry(key).or_insert_with(|| (Histogram::new(HTTP_COARSE), now));
        coarse.observe(lasted.as_secs_f64());
        self.fine.observe(lasted.as_secs_f64());
    }

    /// Its part of the page.
    pub(crate) fn write(&self, page: &mut Page) {
        let requests: Vec<_> = self
            .requests
            .iter()
            .map(|((handler, method, status), (count, created))| {
                let labels = [("handler", handler.as_str()), ("method", method.as_str()), ("status", status.as_str())];
                (labels, *count as f64, *created)
            })
            .collect();
        let series: Vec<_> =
            requests.iter().map(|(labels, value, created)| (labels.as_slice(), *value, *created)).collect();
        page.counter_series("http_requests", &series);
        self.write_sizes(page, "http_request_size_bytes", |handler| handler.request_bytes);
        self.write_sizes(page, "http_response_size_bytes", |handler| handler.response_bytes);
        page.histogram("http_request_duration_highr_seconds", &self.fine);
        let durations: Vec<_> = self
            .durations
            .iter()
            .map(|((handler, method), (histogram, created))| {
                ([("handler", handler.as_str()), ("method", method.as_str())], histogram, *created)
            })
            .collect();
        let series: Vec<_> =
            durations.iter().map(|(labels, histogram, created)| (labels.as_slice(), *histogram, *created)).collect();
        page.histogram_series("http_request_duration_seconds", &series);
    }

    fn write_sizes(&self, page: &mut Page, name: &str, bytes: impl Fn(&Handler) -> u64) {
        let sizes: Vec<_> = self
            .handlers
            .iter()
            .map(|(handler, counts)| {
                ([("handler", handler.as_str())], counts.count, bytes(counts) as f64, counts.created)
            })
            .collect();
        let series: Vec<_> =
            sizes.iter().map(|(labels, count, sum, created)| (labels.as_slice(), *count, *sum, *created)).collect();
        page.summary_series(name, &series);
    }
}
