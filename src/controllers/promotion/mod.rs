//! Promotion: the winner on its way to production, until a later run validates it or it is rolled back.
//!
//! **What lives here**: what a promotion reads (`observe`), the facts that the core decides on (`validate`, `facts`), the
//! plan (`decide`), the requests (`build`), its conditions and status (`condition`, `status`), and the mapping between its
//! spec and the core's terms (`terms`), its status and the core's progress (`progress`).
//!
//! **What must not**: the life of a promotion (the core decides it), and how a target is read and written (`delivery`).

mod build;
mod condition;
mod decide;
mod facts;
mod observe;
mod progress;
mod status;
mod terms;
mod validate;

use jiff::Timestamp;
use phaseloop_core::plan::{Intent, OwnKind, Plan};

pub use self::{
    observe::{ObservedPromotion, ObservedWorld},
    progress::phase_has_ended,
    terms::{PromotionOrigin, promotion_spec, promotion_terms},
    validate::{ValidPromotion, ValidWorld},
};
use super::{Kind, OperatorSettings, Report};
use crate::{
    api::{Promotion, PromotionStatus},
    cluster::{ClusterError, Effect, Reader},
};

/// The kind Promotion.
#[derive(Debug, Clone, Copy)]
pub struct Promotions;

impl Kind for Promotions {
    type Object = Promotion;
    type Status = PromotionStatus;
    type Observed = ObservedPromotion;
    type Valid = ValidPromotion;

    const KIND: OwnKind = OwnKind::Promotion;

    fn status(object: &Promotion) -> Option<&PromotionStatus> {
        object.status.as_ref()
    }

    fn set_status(object: &mut Promotion, status: PromotionStatus) {
        object.status = Some(status);
    }

    async fn observe(reader: Reader<'_>, object: Promotion) -> Result<ObservedPromotion, ClusterError> {
        Box::pin(observe::observe(reader, object)).await
    }

    fn validate(observed: ObservedPromotion, _settings: &OperatorSettings) -> ValidPromotion {
        validate::validate(observed)
    }

    fn decide(valid: &ValidPromotion, now: Timestamp) -> Plan<Report<PromotionStatus>> {
        decide::decide(valid, now)
    }

    fn build(valid: &ValidPromotion, intent: &Intent, now: Timestamp) -> Vec<Effect> {
        build::build(valid, intent, now)
    }

    fn decide_refused(
        valid: &ValidPromotion,
        effect: &Effect,
        error: &ClusterError,
        now: Timestamp,
    ) -> Option<Plan<Report<PromotionStatus>>> {
        decide::decide_refused(valid, effect, error, now)
    }
}
