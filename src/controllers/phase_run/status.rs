//! The status of a PhaseRun.

use crate::api::PhaseRunStatus;

crate::kind_status!(PhaseRunStatus, lives_on: false, state: |status| status.phase.map(|phase| format!("{phase:?}")));
