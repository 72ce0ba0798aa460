//! A night with a death at every request: whatever is lost, the end is the same.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use phaseloop::simulation::api_server::{RequestDescription, RequestInterceptor, Verb, Verdict};
use serde_json::{Value, json};

use crate::cluster::{OPERATOR, World, at, run};

/// What happens to one write of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It never arrives.
    Lost,
    /// It is carried out, and nobody learns of it.
    Unanswered,
}

/// Lets one write of the operator go wrong.
pub(crate) struct OneFault {
    at_write: u64,
    fault: Fault,
    writes: AtomicU64,
}

impl OneFault {
    /// At this write; at none, where nothing is to go wrong.
    pub(crate) fn new(fault: Option<(u64, Fault)>) -> Arc<Self> {
        let (at_write, fault) = fault.unwrap_or((u64::MAX, Fault::Lost));
        Arc::new(Self { at_write, fault, writes: AtomicU64::new(0) })
    }

    /// How many writes there were.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }
}

impl RequestInterceptor for OneFault {
    fn before(&self, request: &RequestDescription) -> Verdict {
        let is_write = !matches!(request.verb, Verb::Get | Verb::List | Verb::Watch);
        if request.user != OPERATOR || !is_write {
            return Verdict::Proceed;
        }
        if self.writes.fetch_add(1, Ordering::Relaxed) != self.at_write {
            return Verdict::Proceed;
        }
        match self.fault {
            Fault::Lost => Verdict::Break,
            Fault::Unanswered => Verdict::LoseReply,
        }
    }
}

/// A night of two domains. Answers how many writes it took and how it ended.
async fn night(fault: Option<(u64, Fault)>) -> (u64, Value) {
    let world = World::new();
    world.create_schedule();
    let kind = ("phaseloop.dev/v1alpha1", "PhaseSchedule");
    let domains = json!([domain("chat"), domain("rag")]);
    let patch = json!({ "spec": { "run": { "domains": domains } } });
    world.person().merge(kind, crate::cluster::NAMESPACE, "nightly", "", patch).unwrap();
    let interceptor = OneFault::new(fault);
    world.server.set_interceptor(Some(interceptor.clone()));
    world.settle().await;
    world.clock.move_to(at("2026-03-04T03:00:00Z"));
    for _ in 0..2 {
        world.settle().await;
        world.measure(100.0);
        world.settle().await;
        world.sweep();
    }
    world.settle().await;
    let runs: Vec<Value> = world.runs().iter().map(|run| outcome(&serde_json::to_value(run).unwrap())).collect();
    let schedule = serde_json::to_value(&world.schedules()[0].status).unwrap();
    let made: Vec<String> =
        world.created().iter().map(|made| made.split(' ').next().unwrap_or_default().to_owned()).collect();
    let ends = json!({ "runs": runs, "schedule": schedule, "made": made, "pods": world.pods().len() });
    (interceptor.writes(), ends)
}

fn domain(name: &str) -> Value {
    json!({ "name": name, "serving": { "workload": {
        "arrival": { "rate": 4 }, "inputTokens": { "fixed": 200 }, "outputTokens": { "fixed": 50 },
    } } })
}

/// A run without what its uid goes into: the names of its cycle and its pods.
fn outcome(run: &Value) -> Value {
    let mut run = run.clone();
    run["metadata"] = json!({ "name": run["metadata"]["name"], "labels": run["metadata"]["labels"] });
    let status = run["status"].as_object_mut().unwrap();
    status.remove("cycle");
    let records = status["history"]["records"].as_array().unwrap().iter();
    let ways: Vec<Value> =
        records.map(|record| json!([record["at"], record["from"], record["to"], record["reason"]])).collect();
    status.insert("history".to_owned(), json!(ways));
    for domain in status["domains"].as_array_mut().unwrap() {
        for field in ["podName", "podUID"] {
            domain.as_object_mut().unwrap().remove(field);
        }
    }
    run
}

#[test]
fn a_night_ends_the_same_whichever_write_is_lost_or_unanswered() {
    run(async {
        let (writes, undisturbed) = night(None).await;
        assert!(writes > 8, "{writes}");
        for at_write in 0..writes {
            for fault in [Fault::Lost, Fault::Unanswered] {
                let (_, end) = night(Some((at_write, fault))).await;
                for (part, value) in undisturbed.as_object().unwrap() {
                    assert_eq!(end[part].to_string(), value.to_string(), "write {at_write}: {fault:?}");
                }
            }
        }
    });
}
