//! Suspending stops beginnings, and resuming lets them go on.

use jiff::SignedDuration;
use phaseloop::{
    api::escalation::Suspend,
    handling::{
        name::ObjectName,
        suspend::{Selected, Switch, SwitchError, Switched, abort, switch},
    },
};
use phaseloop_core::plan::OwnKind;
use serde_json::{Value, json};

use crate::living::{Living, NAMESPACE, TARGET, run, text};

fn suspension() -> Switch {
    Switch::Suspend(Suspend { reason: "incident 4711".to_owned(), until: None })
}

async fn set(living: &Living, selected: &Selected, to: &Switch) -> Vec<String> {
    let mut told = Vec::new();
    switch(&living.cluster(), selected, to, &mut |switched: &Switched| told.push(switched.to_string())).await.unwrap();
    told
}

fn all() -> Selected {
    Selected::All(Some(NAMESPACE.to_owned()))
}

#[test]
fn while_all_is_suspended_nothing_begins_and_then_it_goes_on() {
    run(async {
        let mut living = Living::at_noon_after(2).await;
        let told = set(&living, &all(), &suspension()).await;
        assert_eq!(
            told,
            [
                "phaseschedule/llama-13b in chat: suspended: no further run starts; one that is going goes on",
                "escalation/llama-13b in chat: suspended (incident 4711): nothing more begins, canaries that run are ended",
            ]
        );
        let again = set(&living, &all(), &suspension()).await;
        assert!(again.iter().all(|line| line.contains("was suspended already")), "{again:?}");
        let runs = living.own("PhaseRun").len();
        living.run_for(SignedDuration::from_hours(24)).await;
        assert_eq!(living.own("PhaseRun").len(), runs, "the third night has no run");

        let told = set(&living, &all(), &Switch::Resume).await;
        assert_eq!(told[1], "escalation/llama-13b in chat: goes on; it was suspended (incident 4711)");
        living.run_for(SignedDuration::from_hours(24)).await;
        let after = living.own("PhaseRun");
        assert_eq!(after.len(), runs + 1, "the next night has one again");
        assert_eq!(text(after.last().unwrap(), "/status/verdict"), "Degraded");
    });
}

#[test]
fn suspending_an_escalation_ends_its_canary_and_an_end_is_taken_over_and_away() {
    run(async {
        let mut living = Living::at_noon_after(2).await;
        living.run_until_a_canary_runs().await;
        let one = Selected::One(NAMESPACE.to_owned(), ObjectName::new(OwnKind::Escalation, TARGET));
        let until = living.now() + SignedDuration::from_hours(1);
        let ending = Switch::Suspend(Suspend { reason: "looking".to_owned(), until: Some(until) });
        set(&living, &one, &ending).await;
        living.run_for(SignedDuration::from_secs(15)).await;
        assert_eq!(living.test_pods().len(), 0, "within 15 s");
        let spec = |living: &Living| living.own("Escalation")[0]["spec"]["suspend"].clone();
        assert_eq!(spec(&living), json!({ "reason": "looking", "until": until.to_string() }));
        set(&living, &one, &suspension()).await;
        assert_eq!(spec(&living), json!({ "reason": "incident 4711" }), "the end is gone");
        set(&living, &one, &Switch::Resume).await;
        assert_eq!(spec(&living), Value::Null);
    });
}

#[test]
fn an_aborted_run_ends_and_tells_nothing_of_the_target() {
    run(async {
        let mut living = Living::at_noon_after(1).await;
        living.run_until_it_holds("the run's pod is there", |living| !living.test_pods().is_empty()).await;
        let name = text(living.own("PhaseRun").last().unwrap(), "/metadata/name").to_owned();
        let object = ObjectName::new(OwnKind::PhaseRun, name);
        let aborted = abort(&living.cluster(), NAMESPACE, &object).await.unwrap();
        assert!(aborted.changed && aborted.told.starts_with("aborted"), "{aborted}");
        living.run_for(SignedDuration::from_secs(15)).await;
        let run = living.own("PhaseRun").pop().unwrap();
        assert_eq!((text(&run, "/status/phase"), text(&run, "/status/verdict")), ("Aborted", "Unknown"));
        assert_eq!(living.test_pods().len(), 0);
        let again = abort(&living.cluster(), NAMESPACE, &object).await.unwrap();
        assert!(!again.changed && again.told.starts_with("has ended"), "{again}");
    });
}

#[test]
fn what_has_no_such_switch_or_is_not_there_is_refused_with_what_to_do() {
    run(async {
        let living = Living::at_noon_after(0).await;
        let cluster = living.cluster();
        let one = |kind, name: &str| Selected::One(NAMESPACE.to_owned(), ObjectName::new(kind, name));
        for (selected, part) in [
            (one(OwnKind::PhaseRun, "a"), "phaseloop abort"),
            (one(OwnKind::Promotion, "a"), "suspend its Escalation"),
            (one(OwnKind::Escalation, "gone"), "there is no escalation/gone in namespace chat"),
        ] {
            let refused = switch(&cluster, &selected, &Switch::Resume, &mut |_| {}).await.unwrap_err();
            assert!(refused.to_string().contains(part), "{refused}");
        }
        let refused = abort(&cluster, NAMESPACE, &ObjectName::new(OwnKind::Escalation, TARGET)).await.unwrap_err();
        assert!(matches!(refused, SwitchError::NoSwitch(..)), "{refused}");
        let gone = abort(&cluster, NAMESPACE, &ObjectName::new(OwnKind::PhaseRun, "gone")).await.unwrap_err();
        assert!(matches!(gone, SwitchError::NotThere { .. }), "{gone}");
    });
}
