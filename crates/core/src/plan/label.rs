//! Labels, annotations, the finalizer and the field manager that phaseloop writes: each key stands here once.

/// Group of our kinds and prefix of our keys.
pub const GROUP: &str = "phaseloop.dev";
/// The only version of our kinds.
pub const VERSION: &str = "v1alpha1";
/// Name under which our writes stand in managedFields, and the value of [`LABEL_MANAGED_BY`].
pub const FIELD_MANAGER: &str = "phaseloop";
/// The one finalizer. It stands only where something is owed: a canary not folded, a replica not given back, a
/// promotion not ended.
pub const FINALIZER: &str = "phaseloop.dev/cleanup";

/// Label on everything we create; its value is [`FIELD_MANAGER`].
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label: name of the PhaseSchedule that made a run. A label, not an owner: deleting a schedule deletes no evidence.
pub const LABEL_SCHEDULE: &str = "phaseloop.dev/schedule";
/// Label: name of the PhaseRun that a pod belongs to.
pub const LABEL_PHASE_RUN: &str = "phaseloop.dev/phase-run";
/// Label: name of the Escalation that made a canary or a promotion.
pub const LABEL_ESCALATION: &str = "phaseloop.dev/escalation";
/// Label: name of the TuningCanary that a pod belongs to.
pub const LABEL_CANARY: &str = "phaseloop.dev/canary";
/// Label: digest of the target, by which its runs, canaries and promotions are listed.
pub const LABEL_TARGET: &str = "phaseloop.dev/target";
/// Label: what a pod is for, `domain` or `canary`.
pub const LABEL_ROLE: &str = "phaseloop.dev/role";

/// Annotation on a target: uid of the Promotion whose values it carries. Written with the values in one request.
pub const ANNOTATION_PROMOTION: &str = "phaseloop.dev/promotion";
/// Annotation on a target: uid of the Promotion that withdrew an unanswered patch, and the resourceVersion that the patch
/// was bound to. Writing it moves the resourceVersion on, so that the patch can no longer land.
pub const ANNOTATION_FENCE: &str = "phaseloop.dev/fence";
/// Annotation on a target: the replica count to give back, and to whom. Written with `replicas` in one request.
pub const ANNOTATION_GIVE_BACK: &str = "phaseloop.dev/give-back";
/// Annotation on a target's pod template: hash of a ConfigMap that carries a promoted key, so that a change rolls out.
pub const ANNOTATION_CONFIGURATION_HASH: &str = "phaseloop.dev/configuration-hash";
/// Annotation on what we create: digest of its spec, by which a repeated create knows its own object.
pub const ANNOTATION_SPEC_DIGEST: &str = "phaseloop.dev/spec-digest";
/// Annotation on a test pod: name of the container that runs the engine. It keeps the name that it has in the target.
pub const ANNOTATION_ENGINE_CONTAINER: &str = "phaseloop.dev/engine-container";
/// Annotation on a test pod of a run: name of the domain that it tests.
pub const ANNOTATION_DOMAIN: &str = "phaseloop.dev/domain";

/// Annotation on a canary whose pod was not seen to end: a person looked at the node, and the target may be used again.
/// `phaseloop retry` sets it.
pub const ANNOTATION_RETRY: &str = "phaseloop.dev/retry";

/// Every key that we write, for the reference and for policies that guard them.
pub const KEYS: [&str; 16] = [
    FINALIZER,
    LABEL_MANAGED_BY,
    LABEL_SCHEDULE,
    LABEL_PHASE_RUN,
    LABEL_ESCALATION,
    LABEL_CANARY,
    LABEL_TARGET,
    LABEL_ROLE,
    ANNOTATION_PROMOTION,
    ANNOTATION_FENCE,
    ANNOTATION_GIVE_BACK,
    ANNOTATION_CONFIGURATION_HASH,
    ANNOTATION_SPEC_DIGEST,
    ANNOTATION_ENGINE_CONTAINER,
    ANNOTATION_DOMAIN,
    ANNOTATION_RETRY,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_is_a_qualified_name_under_our_group() {
        for key in KEYS {
            let (prefix, name) = key.split_once('/').unwrap();
            assert!(prefix == GROUP || key == LABEL_MANAGED_BY, "{key}");
            assert!(name.len() <= 63, "{key}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{key}");
        }
    }

    #[test]
    fn no_key_stands_for_two_things() {
        assert_eq!(KEYS.iter().collect::<BTreeSet<_>>().len(), KEYS.len());
    }
}
