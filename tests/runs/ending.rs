//! A namespace that is deleted, and whose RoleBinding went first: of its objects the operator may reach its own kinds only.

use std::sync::Arc;

use jiff::SignedDuration;
use kube::ResourceExt;
use phaseloop::{
    cluster::ClusterErrorKind,
    controllers::{ReconcileError, reconcile, tuning_canary::TuningCanaries},
    installation::{Right, Rule, rights},
    simulation::api_server::{RequestDescription, RequestInterceptor, StatusError, Verdict},
};
use serde_json::Value;

use crate::{
    cluster::{NAMESPACE, OPERATOR, key, run},
    tuning::{CANARY, PROMOTION, Tuning},
};

/// Looks after which a namespace that is still there hangs.
const ROUNDS_MAX: usize = 20;

/// The authorizer: the operator has the rights of these rules, and no others.
struct Authorizer(Vec<Rule>);

impl RequestInterceptor for Authorizer {
    fn before(&self, request: &RequestDescription) -> Verdict {
        let subresource = Some(&request.subresource).filter(|name| !name.is_empty());
        let asked = Right {
            group: request.group.clone(),
            resource: subresource
                .map_or_else(|| request.resource.clone(), |name| format!("{}/{name}", request.resource)),
            verb: request.verb.name().to_owned(),
            name: String::new(),
        };
        if request.user != OPERATOR || self.0.iter().any(|rule| rule.rights("").contains(&asked)) {
            return Verdict::Proceed;
        }
        let RequestDescription { user, group, resource, namespace, name, .. } = request;
        Verdict::Answer(Box::new(StatusError::unauthorized_verb(user, &asked.verb, group, resource, namespace, name)))
    }
}

/// The RoleBinding goes: what is left are the rights that hold in all namespaces.
fn lose_role_binding(tuning: &Tuning) {
    tuning.world.server.set_interceptor(Some(Arc::new(Authorizer(rights().unwrap().own_kinds))));
}

fn delete_namespace(tuning: &Tuning) {
    tuning.world.person().delete(("v1", "Namespace"), "", NAMESPACE, None).unwrap();
}

fn has_namespace(tuning: &Tuning) -> bool {
    tuning.world.person().get(("v1", "Namespace"), "", NAMESPACE).is_ok()
}

async fn look_at_canaries(tuning: &Tuning) -> Vec<ReconcileError> {
    let mut failed = Vec::new();
    for canary in tuning.canaries() {
        failed.extend(reconcile::<TuningCanaries>(&tuning.world.context(true), &key(&canary)).await.err());
    }
    failed
}

/// The namespace controller, the kubelet, and a look at everything, until the namespace is gone.
async fn until_gone(tuning: &Tuning) {
    for _ in 0..ROUNDS_MAX {
        tuning.world.server.finish_namespaces();
        tuning.world.sweep();
        while tuning.world.server.collect_garbage() > 0 {}
        if !has_namespace(tuning) {
            return;
        }
        // Refusals are tried again, as the driver's caller does.
        drop(look_at_canaries(tuning).await);
        drop(tuning.look().await);
    }
    let (canaries, promotions) = (tuning.canaries(), tuning.promotions());
    panic!("the namespace hangs: {:?} {canaries:?} {promotions:?}", look_at_canaries(tuning).await);
}

/// What an object of ours said last.
fn last_words(tuning: &Tuning, resource: &str) -> Value {
    let changes = tuning.world.server.changes_after(0).into_iter();
    let of_it = changes.filter(|change| &*change.resource == resource);
    of_it.last().unwrap().object.value["status"].clone()
}

/// A canary whose pod runs, which somebody deletes after the RoleBinding went.
async fn canary_with_a_pod() -> Tuning {
    let tuning = Tuning::new();
    tuning.settle().await;
    assert!(look_at_canaries(&tuning).await.is_empty());
    assert_eq!((tuning.canaries().len(), tuning.world.pods().len()), (1, 1));
    lose_role_binding(&tuning);
    let name = tuning.canaries()[0].name_any();
    tuning.world.person().delete(CANARY, NAMESPACE, &name, None).unwrap();
    tuning
}

#[test]
fn a_canary_does_not_hold_a_namespace_that_lost_its_role_binding() {
    run(async {
        let tuning = canary_with_a_pod().await;
        let reserved = tuning.canaries()[0].spec.reserved.clone();
        delete_namespace(&tuning);
        until_gone(&tuning).await;
        let last = last_words(&tuning, "tuningcanaries.phaseloop.dev");
        assert_eq!((last["verdict"].as_str(), last["phase"].as_str()), (Some("Aborted"), Some("Done")));
        assert_eq!(last["used"]["proven"], false, "nobody read how its pod ended");
        assert_eq!(last["used"]["hold"], reserved.hold.to_string(), "what is not proven counts in full");
        let exported = tuning.world.export.0.lock().unwrap();
        assert_eq!(exported.last().unwrap().to, "Done", "its record outlives it");
    });
}

#[test]
fn a_right_that_is_missing_in_a_namespace_that_lives_settles_nothing() {
    run(async {
        let tuning = canary_with_a_pod().await;
        let before = tuning.canaries();
        for _ in 0..3 {
            let failed = look_at_canaries(&tuning).await;
            let [ReconcileError::Observe(_, error)] = failed.as_slice() else { panic!("{failed:?}") };
            assert_eq!(error.kind, ClusterErrorKind::Forbidden);
            tuning.world.pass(SignedDuration::from_hours(24));
        }
        assert_eq!(tuning.canaries(), before, "its finalizer stays, and its budget is not forgotten");
    });
}

#[test]
fn without_the_right_to_see_the_namespace_nothing_is_settled() {
    run(async {
        let tuning = canary_with_a_pod().await;
        let mut rules = rights().unwrap().own_kinds;
        rules.retain(|rule| rule.resources != ["namespaces"]);
        tuning.world.server.set_interceptor(Some(Arc::new(Authorizer(rules))));
        delete_namespace(&tuning);
        tuning.world.server.finish_namespaces();
        let failed = look_at_canaries(&tuning).await;
        assert_eq!(failed.iter().map(ReconcileError::reason).collect::<Vec<_>>(), ["Forbidden"]);
        assert_eq!(tuning.canaries().len(), 1);
    });
}

#[test]
fn a_promotion_does_not_hold_a_namespace_that_lost_its_role_binding() {
    run(async {
        let tuning = Tuning::new();
        tuning.tune().await;
        tuning.apply().await;
        lose_role_binding(&tuning);
        let name = tuning.promotion().name_any();
        tuning.world.person().delete(PROMOTION, NAMESPACE, &name, None).unwrap();
        let refused = tuning.look_at_promotion().await.unwrap_err();
        assert_eq!(refused.reason(), "Forbidden");
        assert_eq!(tuning.stands().0, "Applied", "in a namespace that lives its value is still to be taken back");
        delete_namespace(&tuning);
        until_gone(&tuning).await;
        let last = last_words(&tuning, "promotions.phaseloop.dev");
        assert_eq!((last["phase"].as_str(), last["reason"].as_str()), (Some("Superseded"), Some("TargetMissing")));
        let exported = tuning.world.export.0.lock().unwrap();
        assert!(exported.iter().any(|record| record.object.name == name && record.to == "Superseded"));
    });
}
