//! By which field objects of our kinds can be selected: the name of their target. People need it as well:
//! `kubectl get phaseruns --field-selector spec.targetRef.name=chat`.

use super::{Escalation, PhaseRun, PhaseSchedule, Promotion, TuningCanary};

/// A kind whose objects are about a target.
pub trait OfTarget {
    /// The field that holds the target's name, as a field selector names it. Its definition lists it in `selectableFields`.
    const TARGET_NAME: &'static str;
}

impl OfTarget for PhaseSchedule {
    const TARGET_NAME: &'static str = "spec.run.targetRef.name";
}

impl OfTarget for PhaseRun {
    const TARGET_NAME: &'static str = "spec.targetRef.name";
}

impl OfTarget for Escalation {
    const TARGET_NAME: &'static str = "spec.targetRef.name";
}

impl OfTarget for TuningCanary {
    const TARGET_NAME: &'static str = "spec.targetRef.name";
}

impl OfTarget for Promotion {
    const TARGET_NAME: &'static str = "spec.targetRef.name";
}

#[cfg(test)]
mod tests {
    use kube::CustomResourceExt;

    use super::*;

    fn is_declared<K: OfTarget + CustomResourceExt>() -> bool {
        let fields =
            K::crd().spec.versions.into_iter().flat_map(|version| version.selectable_fields.unwrap_or_default());
        fields.into_iter().any(|field| field.json_path.strip_prefix('.') == Some(K::TARGET_NAME))
    }

    #[test]
    fn every_kind_declares_the_field_by_which_it_is_selected() {
        assert!(is_declared::<PhaseSchedule>());
        assert!(is_declared::<PhaseRun>());
        assert!(is_declared::<Escalation>());
        assert!(is_declared::<TuningCanary>());
        assert!(is_declared::<Promotion>());
    }
}
