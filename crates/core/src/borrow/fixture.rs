//! A lender and a note for tests.

use super::{GiveBackNote, Lender, LendersNote};
use crate::{
    plan::{OwnKind, OwnObject, target::TargetVersion},
    prelude::*,
    value::{TargetReference, Uid},
};

pub(super) fn borrower() -> OwnObject {
    OwnObject::new(OwnKind::PhaseRun, "nightly", Uid::new("uid-nightly"))
}

pub(super) fn note() -> GiveBackNote {
    GiveBackNote { borrower: borrower(), from: 2, to: 1, since: "2026-03-04T03:00:00Z".parse().unwrap() }
}

pub(super) fn lender() -> Lender {
    let reference =
        TargetReference { api_version: "apps/v1".to_owned(), kind: "Deployment".to_owned(), name: "engine".to_owned() };
    Lender {
        version: TargetVersion { reference, uid: Uid::new("uid-engine"), resource_version: "5".to_owned() },
        replicas: 2,
        ready: 2,
        note: LendersNote::Absent,
        managed_by: None,
        autoscaler: None,
        budgets: Vec::new(),
    }
}
