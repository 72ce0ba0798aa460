//! A target that is frozen because a node went away is freed by a person who has looked.

use jiff::SignedDuration;
use phaseloop::{
    handling::{
        name::ObjectName,
        retry::retry,
        suspend::{SwitchError, abort},
    },
    simulation::world::Action,
};
use phaseloop_core::plan::OwnKind;
use serde_json::Value;

use crate::living::{Living, NAMESPACE, run, text};

/// The only node.
const NODE: &str = "gpu-a";

fn restored(canary: &Value) -> &str {
    let conditions = canary.pointer("/status/conditions").and_then(Value::as_array);
    let restored = conditions.and_then(|all| all.iter().find(|condition| condition["type"] == "Restored"));
    restored.map_or("", |condition| text(condition, "/reason"))
}

fn last_canary(living: &Living) -> Value {
    living.own("TuningCanary").pop().unwrap()
}

#[test]
fn a_canary_whose_node_went_away_freezes_its_target_until_somebody_has_looked() {
    run(async {
        let mut living = Living::at_noon_after(2).await;
        living.run_until_a_canary_runs().await;
        let name = text(&last_canary(&living), "/metadata/name").to_owned();
        let object = ObjectName::new(OwnKind::TuningCanary, name.clone());
        let early = retry(&living.cluster(), NAMESPACE, &object, living.now()).await.unwrap();
        assert!(!early.changed && early.told.contains("phaseloop abort"), "{early}");

        living.do_now(Action::LoseNode { node: NODE.to_owned(), lasting: SignedDuration::from_hours(100) }).await;
        abort(&living.cluster(), NAMESPACE, &object).await.unwrap();
        living.run_for(SignedDuration::from_mins(10)).await;
        let canary = last_canary(&living);
        assert_eq!(restored(&canary), "RestoreFailed", "{canary:#}");
        let told = canary["status"]["conditions"].to_string();
        assert!(told.contains(&format!("phaseloop retry tuningcanary/{name}")), "the command is named: {told}");

        let given_up = retry(&living.cluster(), NAMESPACE, &object, living.now()).await.unwrap();
        assert!(given_up.changed && given_up.told.starts_with("given up"), "{given_up}");
        living.run_for(SignedDuration::from_secs(5)).await;
        let canary = last_canary(&living);
        assert_eq!(restored(&canary), "GivenUp", "{canary:#}");
        assert_eq!(canary["status"]["used"]["proven"], false, "all that was reserved counts as used");
        let again = retry(&living.cluster(), NAMESPACE, &object, living.now()).await.unwrap();
        assert!(!again.changed && again.told.starts_with("holds nothing up"), "{again}");
    });
}

#[test]
fn only_a_canary_that_is_there_can_be_retried() {
    run(async {
        let living = Living::at_noon_after(0).await;
        let asked = async |kind, name: &str| {
            retry(&living.cluster(), NAMESPACE, &ObjectName::new(kind, name), living.now()).await.unwrap_err()
        };
        let refused = asked(OwnKind::PhaseRun, "a").await;
        assert!(refused.to_string().contains("kubectl get tuningcanaries"), "{refused}");
        let gone = asked(OwnKind::TuningCanary, "gone").await;
        assert!(matches!(gone, SwitchError::NotThere { .. }), "{gone}");
    });
}
