//! A custom test: a test image that writes a PHASE report, and the collector beside it.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use phaseloop_core::{
    analysis::report::{CollectorSummary, ReportSettings, read_report},
    plan::label::ANNOTATION_DOMAIN,
    schedule::later_by,
};

use super::{
    catalog::{CustomTest, TestFigures},
    helper::{life_of, obeys},
};
use crate::{
    probe::CollectRequest,
    simulation::{
        cluster::kubelet::{Changes, Ending, Life, PodProgram},
        engine::Noise,
    },
    workload::contract::CONTAINER_COLLECTOR,
};

/// Exit code of a test image that nobody has described.
const UNKNOWN_IMAGE: i32 = 127;

/// The programs of such a test's pod.
#[derive(Debug, Clone)]
pub(super) struct CustomTestRun {
    pod: Pod,
    request: CollectRequest,
    test: Option<CustomTest>,
    seed: u64,
    ended_at: Option<Timestamp>,
    began_at: Option<Timestamp>,
}

impl CustomTestRun {
    pub(super) const fn new(pod: Pod, request: CollectRequest, test: Option<CustomTest>, seed: u64) -> Self {
        Self { pod, request, test, seed, ended_at: None, began_at: None }
    }

    fn main(&self) -> Option<&str> {
        self.pod.spec.as_ref()?.containers.first().map(|container| container.name.as_str())
    }

    fn life_of_test(&mut self, at: Timestamp) -> Life {
        self.began_at = Some(at);
        let (duration, exit_code) = match &self.test {
            Some(test) => (test.duration, 0),
            None => (SignedDuration::ZERO, UNKNOWN_IMAGE),
        };
        Life::ending(Ending { at: later_by(at, duration), exit_code, message: None, reason: None })
    }

    /// The part of the report that was written by the test's end.
    fn report(&self) -> String {
        let (Some(test), Some(began_at)) = (&self.test, self.began_at) else { return String::new() };
        let Some((_, figures)) = test.figures.iter().rev().find(|(from, _)| *from <= began_at) else {
            return String::new();
        };
        let ran = self.ended_at.map_or(SignedDuration::ZERO, |end| end.duration_since(began_at));
        let share = (ran.as_secs_f64() / test.duration.as_secs_f64().max(0.001)).clamp(0.0, 1.0);
        let annotations = self.pod.metadata.annotations.as_ref();
        let domain =
            annotations.and_then(|annotations| annotations.get(ANNOTATION_DOMAIN)).map_or("test", String::as_str);
        rows(figures, domain, share, began_at, self.seed)
    }

    fn summary(&self) -> String {
        let report = read_report(self.report().as_bytes(), ReportSettings::default());
        CollectorSummary::of_report(&report).write(self.request.message_bytes)
    }
}

/// Rows of a report.
fn rows(figures: &TestFigures, domain: &str, share: f64, began_at: Timestamp, seed: u64) -> String {
    let mut noise = Noise::new(seed, "custom test");
    let mut text = String::new();
    for number in 0..figures.tests {
        if number as f64 >= figures.tests as f64 * share {
            break;
        }
        let status = if noise.uniform() * 100.0 < figures.pass_percent { "pass" } else { "fail" };
        let latency = figures.latency_ms * noise.factor(figures.spread);
        let throughput = figures.throughput * noise.factor(figures.spread);
        let second = began_at.as_second();
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "{{\"test_id\":\"t{number}\",\"domain\":\"{domain}\",\"status\":\"{status}\",\"latency_ms\":{latency:.3},\
             \"throughput\":{throughput:.3},\"oom_events\":0,\"start_time\":{second},\"end_time\":{}}}",
            second + 1
        );
    }
    text
}

impl PodProgram for CustomTestRun {
    fn started(&mut self, container: &str, _run: u32, at: Timestamp) -> Changes {
        let life =
            if self.main() == Some(container) { self.life_of_test(at) } else { life_of(&self.pod, container, at) };
        vec![(container.to_owned(), life)]
    }

    fn reached(&mut self, _container: &str, _at: Timestamp) -> Changes {
        Vec::new()
    }

    fn ended(&mut self, container: &str, at: Timestamp, _exit_code: i32) -> Changes {
        if self.main() == Some(container) {
            self.ended_at = Some(at);
        }
        Vec::new()
    }

    fn signalled(&mut self, container: &str, at: Timestamp) -> Option<Ending> {
        if container == CONTAINER_COLLECTOR {
            return Some(Ending { message: Some(self.summary()), ..obeys(at) });
        }
        Some(obeys(at))
    }

    fn is_ready(&self, _container: &str) -> bool {
        true
    }

    fn output(&self, _container: &str, _previous: bool, _until: Timestamp) -> String {
        String::new()
    }
}
