//! The terms of a promotion: from the core's values to a spec, and back, without loss.

use std::collections::BTreeMap;

use phaseloop_core::{
    plan::{
        FieldAddress, FieldChange, FieldValue, OwnedField,
        record::{NewPromotion, Selection as CoreSelection},
    },
    promotion::{ApprovalMode, ConfigMapTerms, Delivery, PromotionTerms},
    value::{ParameterSet, TargetReference, Uid},
};

use crate::{
    api::{
        PromotionSpec,
        escalation::{self, GitDelivery, status::UntriedCandidate},
        promotion::{
            ApprovalSpec, Decision, FitnessCount, PreviousValue, PromotedConfigMap, PromotedDomain, Selection,
        },
        reference::TargetRef,
        window::MaintenanceWindow,
    },
    delivery::{config_map::partition, template_hash::hash_address},
};

/// What a promotion's spec holds besides its terms: from the Escalation and from the canary that won.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionOrigin {
    /// The target, with the name of the engine's container where the Escalation gives one.
    pub target_ref: TargetRef,
    /// The winner's fitness.
    pub fitness: FitnessCount,
    /// Windows in which it may be applied: those of the Escalation's promotion, or of its safety.
    pub windows: Vec<MaintenanceWindow>,
    /// The value in Git; for delivery Git only.
    pub git: Option<GitDelivery>,
}

/// The spec of a promotion that is made: `decision` is Pending.
pub fn promotion_spec(new: &NewPromotion, origin: PromotionOrigin) -> PromotionSpec {
    let PromotionOrigin { target_ref, fitness, windows, git } = origin;
    let terms = &new.terms;
    let domains =
        terms.domains.iter().map(|(name, hash)| PromotedDomain { name: name.clone(), workload_hash: hash.clone() });
    PromotionSpec {
        escalation_name: new.escalation.name.clone(),
        cycle: new.cycle.clone(),
        symptom: terms.symptom,
        domains: domains.collect(),
        target_ref,
        target_uid: terms.target_uid.to_string(),
        template_hash: terms.template_hash.clone(),
        parameters: terms.parameters.clone(),
        previous: terms.all_fields().map(previous_value).collect(),
        config_map: terms.config_map.as_ref().map(promoted_config_map),
        previous_promotion_uid: terms.annotation_before.as_ref().map(Uid::to_string),
        canary_name: new.canary.name.clone(),
        fitness,
        selection: Some(selection(&new.selection)),
        delivery: match terms.delivery {
            Delivery::Patch => escalation::Delivery::Patch,
            Delivery::Git => escalation::Delivery::Git,
        },
        git,
        approval: ApprovalSpec {
            mode: match terms.approval {
                ApprovalMode::Automatic => escalation::Approval::Automatic,
                ApprovalMode::Manual => escalation::Approval::Manual,
            },
        },
        allow_managed: terms.allow_managed,
        allow_downtime: terms.allow_downtime,
        decision: Decision::Pending,
        approved_by: None,
        windows,
        rollout_timeout: terms.rollout_timeout.into(),
        validate_by: terms.validate_by,
    }
}

/// The terms of a promotion's spec.
pub fn promotion_terms(spec: &PromotionSpec) -> PromotionTerms {
    let (owned_fields, config_map) = fields_of(spec);
    PromotionTerms {
        target: TargetReference::from(&spec.target_ref),
        target_uid: Uid::new(&spec.target_uid),
        template_hash: spec.template_hash.clone(),
        parameters: spec.parameters.clone(),
        owned_fields,
        config_map,
        annotation_before: spec.previous_promotion_uid.as_ref().map(Uid::new),
        symptom: spec.symptom,
        domains: domains_of(spec),
        delivery: match spec.delivery {
            escalation::Delivery::Patch => Delivery::Patch,
            // Nothing makes a promotion that delivers nothing, and the API server takes none; it is never patched.
            escalation::Delivery::Git | escalation::Delivery::None => Delivery::Git,
        },
        approval: match spec.approval.mode {
            escalation::Approval::Automatic => ApprovalMode::Automatic,
            escalation::Approval::Manual => ApprovalMode::Manual,
        },
        allow_managed: spec.allow_managed,
        allow_downtime: spec.allow_downtime,
        rollout_timeout: spec.rollout_timeout.into(),
        validate_by: spec.validate_by,
    }
}

/// The fields by where they lie. A field whose ConfigMap the spec does not name is nowhere, and stands at no value.
fn fields_of(spec: &PromotionSpec) -> (Vec<OwnedField>, Option<ConfigMapTerms>) {
    let fields: Vec<OwnedField> = spec.previous.iter().map(owned_field).collect();
    let Some(map) = &spec.config_map else { return (fields, None) };
    let (inside, owned_fields) = partition(fields);
    let value = |text: &Option<String>| text.clone().map_or(FieldValue::Absent, FieldValue::Present);
    let terms = ConfigMapTerms {
        name: map.name.clone(),
        owned_fields: inside.into_iter().map(|(_, field)| field).collect(),
        annotation_before: map.previous_promotion_uid.as_ref().map(Uid::new),
        hash: FieldChange {
            address: hash_address(),
            from: value(&map.previous_hash),
            to: FieldValue::Present(map.hash.clone()),
        },
    };
    (owned_fields, Some(terms))
}

fn promoted_config_map(terms: &ConfigMapTerms) -> PromotedConfigMap {
    PromotedConfigMap {
        name: terms.name.clone(),
        previous_promotion_uid: terms.annotation_before.as_ref().map(Uid::to_string),
        hash: terms.promoted_hash().unwrap_or_default().to_owned(),
        previous_hash: text(&terms.hash.from),
    }
}

fn text(value: &FieldValue) -> Option<String> {
    match value {
        FieldValue::Absent => None,
        FieldValue::Present(text) => Some(text.clone()),
    }
}

fn selection(selection: &CoreSelection) -> Selection {
    let untried = |(parameters, message): &(ParameterSet, String)| UntriedCandidate {
        parameters: parameters.clone(),
        message: message.clone(),
    };
    Selection {
        reason: selection.reason.clone(),
        message: selection.message.clone(),
        search_ended: selection.search_ended.clone(),
        candidates_tried: selection.candidates_tried,
        untried: selection.untried.iter().map(untried).collect(),
    }
}

fn domains_of(spec: &PromotionSpec) -> BTreeMap<String, String> {
    spec.domains.iter().map(|domain| (domain.name.clone(), domain.workload_hash.clone())).collect()
}

fn previous_value(field: &OwnedField) -> PreviousValue {
    PreviousValue {
        name: field.parameter.clone(),
        address: field.address.as_str().to_owned(),
        value: text(&field.before),
        absent: field.before == FieldValue::Absent,
        promoted: text(&field.promoted),
    }
}

fn owned_field(previous: &PreviousValue) -> OwnedField {
    let value = |text: &Option<String>| text.clone().map_or(FieldValue::Absent, FieldValue::Present);
    OwnedField {
        address: FieldAddress::new(&previous.address),
        parameter: previous.name.clone(),
        before: value(&previous.value),
        promoted: value(&previous.promoted),
    }
}

#[cfg(test)]
#[path = "terms_tests.rs"]
mod tests;
