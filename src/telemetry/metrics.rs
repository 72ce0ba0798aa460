//! Counters and histograms of this process, and the text that a scrape gets.

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, histogram::Histogram, info::Info},
    registry::Registry,
};

use super::{
    definition::{
        API_REQUESTS, BUILD, MetricDefinition, PREFIX, RECONCILE_DURATION, RECONCILE_ERRORS, RESTORE, WATCH_ERRORS,
        WATCHES_RESTARTED,
    },
    state::{StateCollector, StateSource},
};

/// Labels of one series.
type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter>;

/// Up to the 15 s in which everything must be given back, closely; beyond it, what went wrong.
const RESTORE_SECONDS: [f64; 10] = [1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 12.0, 15.0, 30.0, 60.0];
/// From a look that reads one object to one whose calls all take their longest time.
const RECONCILE_SECONDS: [f64; 10] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 3.0, 30.0];

/// What is counted while the process runs.
///
/// Its size has a bound: 5 kinds x 11 reasons, 9 watched kinds, and requests by 8 verbs x 20 kinds x the codes that occur,
/// of which an API server has about 20: at most 3,300 series, each below 200 bytes, so below 1 MiB.
#[derive(Debug, Clone)]
pub struct Metrics {
    reconcile_duration: Family<Labels, Histogram, fn() -> Histogram>,
    reconcile_errors: Counters,
    watch_restarts: Counters,
    watch_errors: Counters,
    api_requests: Counters,
    restore: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            reconcile_duration: Family::new_with_constructor(|| Histogram::new(RECONCILE_SECONDS)),
            reconcile_errors: Family::default(),
            watch_restarts: Family::default(),
            watch_errors: Family::default(),
            api_requests: Family::default(),
            restore: Histogram::new(RESTORE_SECONDS),
        }
    }
}

impl Metrics {
    /// A look at an object of a kind ended; `failed` says what stopped it, if something did.
    pub fn reconciled(&self, kind: &str, took: Duration, failed: Option<&'static str>) {
        let labels = labels(&RECONCILE_DURATION, [kind]);
        self.reconcile_duration.get_or_create(&labels).observe(took.as_secs_f64());
        if let Some(reason) = failed {
            self.reconcile_errors.get_or_create(&self::labels(&RECONCILE_ERRORS, [kind, reason])).inc();
        }
    }

    /// A watch had to list everything anew.
    pub fn watch_restarted(&self, kind: &str) {
        self.watch_restarts.get_or_create(&labels(&WATCHES_RESTARTED, [kind])).inc();
    }

    /// An attempt to list or watch failed.
    pub fn watch_failed(&self, kind: &str) {
        self.watch_errors.get_or_create(&labels(&WATCH_ERRORS, [kind])).inc();
    }

    /// A request to the API server was answered, or was not.
    pub fn requested(&self, verb: &str, kind: &str, code: &str) {
        self.api_requests.get_or_create(&labels(&API_REQUESTS, [verb, kind, code])).inc();
    }

    /// The containers of a canary that was ended are gone.
    pub fn restored(&self, after: Duration) {
        self.restore.observe(after.as_secs_f64());
    }

    /// The page of metrics, and what is computed for it from a source.
    pub fn page(&self, source: Arc<dyn StateSource>) -> MetricsPage {
        let mut registry = Registry::with_prefix(PREFIX);
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        registry.register(BUILD.name, BUILD.help, Info::new(version));
        registry.register(RECONCILE_DURATION.name, RECONCILE_DURATION.help, self.reconcile_duration.clone());
        registry.register(RECONCILE_ERRORS.name, RECONCILE_ERRORS.help, self.reconcile_errors.clone());
        registry.register(WATCHES_RESTARTED.name, WATCHES_RESTARTED.help, self.watch_restarts.clone());
        registry.register(WATCH_ERRORS.name, WATCH_ERRORS.help, self.watch_errors.clone());
        registry.register(API_REQUESTS.name, API_REQUESTS.help, self.api_requests.clone());
        registry.register(RESTORE.name, RESTORE.help, self.restore.clone());
        registry.register_collector(Box::new(StateCollector(source)));
        MetricsPage { registry: Arc::new(registry) }
    }
}

/// The text that a scrape gets.
#[derive(Clone)]
pub struct MetricsPage {
    registry: Arc<Registry>,
}

impl MetricsPage {
    /// As it is now, in OpenMetrics format.
    ///
    /// # Errors
    /// [`fmt::Error`] of the encoder.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl fmt::Debug for MetricsPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MetricsPage")
    }
}

fn labels<const N: usize>(definition: &MetricDefinition, values: [&str; N]) -> Labels {
    definition.labels.iter().map(|label| label.name).zip(values.map(str::to_owned)).collect()
}
