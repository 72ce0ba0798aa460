//! How a target stands to a promotion: the one comparison that every decision rests on.

use super::{Delivery, ObservedTarget, PromotionFacts, terms::ConfigMapTerms};
use crate::{
    plan::{FieldChange, FieldValue, OwnedField},
    prelude::*,
};

/// What a target shows of a promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is no target.
    Gone,
    /// The target is another object under the same name.
    Replaced {
        /// Whether our value came with it: it bears our annotation, or, after we had applied, our values.
        carries_value: bool,
    },
    /// Every owned field is at the pre-image, and so is the annotation.
    Untouched,
    /// Every owned field is at the promoted value, with our annotation (which Git delivery does not write).
    Promoted,
    /// The ConfigMap is promoted, and the target is untouched: half of the way in.
    ConfigMapPromoted,
    /// The target is promoted, and the ConfigMap is at its pre-image: half of the way back.
    TargetPromoted,
    /// Anything else: somebody changed an owned field or the annotation, in the target or in its ConfigMap.
    Changed {
        /// Whether our annotation is there all the same, which proves that our value was in.
        marked: bool,
    },
}

/// What a ConfigMap shows of a promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigMapStanding {
    /// There is none.
    Missing,
    /// Every owned key is at its pre-image, and so is the annotation.
    Untouched,
    /// Every owned key is at its promoted value, with our annotation.
    Promoted,
    /// Anything else.
    Changed {
        /// Whether our annotation is there all the same.
        marked: bool,
    },
}

/// How target and ConfigMap stand to the promotion. Where the target is gone or another, the ConfigMap alone is asked
/// besides ([`config_map_standing`]).
pub fn observe_standing(facts: &PromotionFacts) -> Standing {
    let target = target_standing(facts);
    let Some(map) = config_map_standing(facts) else { return target };
    match (target, map) {
        (Standing::Replaced { carries_value: true }, _) => target,
        (_, ConfigMapStanding::Changed { marked: true }) => Standing::Changed { marked: true },
        (Standing::Untouched, ConfigMapStanding::Promoted) => Standing::ConfigMapPromoted,
        (Standing::Promoted, ConfigMapStanding::Untouched) => Standing::TargetPromoted,
        (
            Standing::Untouched | Standing::Promoted,
            ConfigMapStanding::Missing | ConfigMapStanding::Changed { marked: false },
        ) => Standing::Changed { marked: target == Standing::Promoted },
        _ => target,
    }
}

/// How the ConfigMap that we write to stands to the promotion; `None` where there is nothing to write in one.
pub fn config_map_standing(facts: &PromotionFacts) -> Option<ConfigMapStanding> {
    let terms = facts.terms.patched_config_map()?;
    let Some(map) = &facts.config_map else { return Some(ConfigMapStanding::Missing) };
    let ConfigMapTerms { owned_fields, annotation_before, .. } = terms;
    let marked = map.promotion_annotation.as_ref() == Some(&facts.object.uid);
    let holds = |wanted: fn(&OwnedField) -> &FieldValue| {
        owned_fields.iter().all(|field| map.owned_values.get(&field.address) == Some(wanted(field)))
    };
    Some(if holds(|field| &field.before) && map.promotion_annotation == *annotation_before {
        ConfigMapStanding::Untouched
    } else if holds(|field| &field.promoted) && marked {
        ConfigMapStanding::Promoted
    } else {
        ConfigMapStanding::Changed { marked }
    })
}

/// How the target alone stands to the promotion.
pub(super) fn target_standing(facts: &PromotionFacts) -> Standing {
    let Some(target) = &facts.target else { return Standing::Gone };
    let marked = target.promotion_annotation.as_ref() == Some(&facts.object.uid);
    let changes = target_changes(facts);
    let promoted = holds(target, &changes, |change| &change.to);
    if target.uid != facts.terms.target_uid {
        let carries_value = marked || (promoted && facts.progress.applied_at.is_some());
        return Standing::Replaced { carries_value };
    }
    let annotation_as_before = target.promotion_annotation == facts.terms.annotation_before;
    let untouched = holds(target, &changes, |change| &change.from) && annotation_as_before;
    let promoted = match facts.terms.delivery {
        Delivery::Patch => promoted && marked,
        Delivery::Git => promoted && annotation_as_before,
    };
    match (untouched, promoted) {
        (true, _) => Standing::Untouched,
        (false, true) => Standing::Promoted,
        (false, false) => Standing::Changed { marked },
    }
}

/// What the promotion changes in the target. What lies in a ConfigMap is brought to it by no request of delivery Git.
fn target_changes(facts: &PromotionFacts) -> Vec<FieldChange> {
    match facts.terms.delivery {
        Delivery::Patch => facts.terms.target_changes(),
        Delivery::Git => facts.terms.owned_fields.iter().map(OwnedField::forward).collect(),
    }
}

/// Whether every change's place stands at the wanted value. A field that could not be read stands at none.
fn holds(target: &ObservedTarget, changes: &[FieldChange], wanted: fn(&FieldChange) -> &FieldValue) -> bool {
    changes.iter().all(|change| target.owned_values.get(&change.address) == Some(wanted(change)))
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
