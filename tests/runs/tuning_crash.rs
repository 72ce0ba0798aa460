//! From the armed flag to the end of a promotion with a death at every request: whatever is lost, the end is the same.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    cluster::{NAMESPACE, run},
    crash::{Fault, OneFault},
    tuning::{ESCALATION, Tuning},
};

/// A story at its end.
struct Told {
    /// How many writes it took.
    writes: u64,
    /// How many before the night that decides.
    writes_before_night: u64,
    /// How it ended.
    end: Value,
}

/// The whole story, with one value to try and the next night's verdict.
async fn story(verdict: &str, fault: Option<(u64, Fault)>) -> Told {
    let tuning = Tuning::new();
    let values = json!([{ "name": "gpu-memory-utilization", "values": [0.72] }]);
    let patch = json!({ "spec": { "parameters": values } });
    tuning.world.person().merge(ESCALATION, NAMESPACE, "llama", "", patch).unwrap();
    let interceptor = OneFault::new(fault);
    tuning.world.server.set_interceptor(Some(interceptor.clone()));
    tuning.settle().await;
    for within in [100, 190] {
        tuning.finish(within);
        tuning.settle().await;
    }
    tuning.decide("Approved");
    settle_twice(&tuning).await;
    tuning.roll_out();
    tuning.settle().await;
    let writes_before_night = interceptor.writes();
    tuning.next_night(verdict);
    settle_twice(&tuning).await;
    Told { writes: interceptor.writes(), writes_before_night, end: end(&tuning) }
}

/// A patch whose answer was lost is looked at again after ten seconds.
async fn settle_twice(tuning: &Tuning) {
    tuning.settle().await;
    tuning.world.pass(SignedDuration::from_secs(10));
    tuning.settle().await;
}

/// What is there at the end, without uids, and without when somebody looked.
fn end(tuning: &Tuning) -> Value {
    let canaries: Vec<Value> = tuning
        .canaries()
        .iter()
        .map(|canary| {
            json!([canary.metadata.name, canary.spec.parameters, canary.spec.reserved, canary.spec.not_after])
        })
        .collect();
    let promotion = tuning.promotion();
    let status = promotion.status.unwrap();
    let phases: Vec<&str> = status.history.as_ref().unwrap().records.iter().map(|record| record.to.as_str()).collect();
    let escalation = tuning.escalation().status.unwrap();
    let led_through: Vec<&str> =
        escalation.history.as_ref().unwrap().records.iter().map(|record| record.to.as_str()).collect();
    let target = tuning.target();
    let patches =
        tuning.written().iter().filter(|write| write.ends_with("deployments")).cloned().collect::<Vec<String>>();
    json!({
        "canaries": canaries, "parameters": promotion.spec.parameters, "validateBy": promotion.spec.validate_by,
        "phase": status.phase, "reason": status.reason, "phases": phases, "states": led_through,
        "finalizers": promotion.metadata.finalizers, "flags": escalation.flags.iter().map(|flag| json!([
            flag.symptom, flag.state, flag.count,
        ])).collect::<Vec<_>>(),
        "denied": escalation.denied.len(), "template": target["spec"]["template"], "patches": patches,
        "marked": target["metadata"]["annotations"]["phaseloop.dev/promotion"].is_string(),
    })
}

/// Each write from one on, lost and unanswered.
async fn check_from(verdict: &str, first: impl FnOnce(&Told) -> u64) {
    let undisturbed = story(verdict, None).await;
    let first = first(&undisturbed);
    assert!(first + 4 < undisturbed.writes, "{first} of {}", undisturbed.writes);
    for at_write in first..undisturbed.writes {
        for fault in [Fault::Lost, Fault::Unanswered] {
            let disturbed = story(verdict, Some((at_write, fault))).await;
            for (part, value) in undisturbed.end.as_object().unwrap() {
                let end = &disturbed.end[part];
                assert_eq!(end.to_string(), value.to_string(), "{verdict}, write {at_write}: {fault:?}");
            }
        }
    }
}

#[test]
fn a_tuning_run_and_its_promotion_end_the_same_whichever_write_is_lost_or_unanswered() {
    run(check_from("Healthy", |_| 0));
}

#[test]
fn a_rollback_ends_the_same_whichever_write_is_lost_or_unanswered() {
    run(check_from("Degraded", |told| told.writes_before_night));
}
