//! How a target stands to a promotion: the one comparison that every decision rests on.

use super::{Delivery, ObservedTarget, PromotionFacts};
use crate::plan::{FieldValue, OwnedField};

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
    /// Anything else: somebody changed an owned field or the annotation.
    Changed {
        /// Whether our annotation is there all the same, which proves that our value was in.
        marked: bool,
    },
}

/// How the target stands to the promotion.
pub fn observe_standing(facts: &PromotionFacts) -> Standing {
    let Some(target) = &facts.target else { return Standing::Gone };
    let marked = target.promotion_annotation.as_ref() == Some(&facts.object.uid);
    let fields = &facts.terms.owned_fields;
    let promoted = holds(target, fields, |field| &field.promoted);
    if target.uid != facts.terms.target_uid {
        let carries_value = marked || (promoted && facts.progress.applied_at.is_some());
        return Standing::Replaced { carries_value };
    }
    let annotation_as_before = target.promotion_annotation == facts.terms.annotation_before;
    let untouched = holds(target, fields, |field| &field.before) && annotation_as_before;
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

/// Whether every owned field stands at the wanted value. A field that could not be read stands at none.
fn holds(target: &ObservedTarget, fields: &[OwnedField], wanted: fn(&OwnedField) -> &FieldValue) -> bool {
    fields.iter().all(|field| target.owned_values.get(&field.address) == Some(wanted(field)))
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
