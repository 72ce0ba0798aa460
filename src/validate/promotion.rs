//! Promotions: the windows in which one may be applied.

use phaseloop_core::policy::MaintenanceWindows;

use super::{SpecFault, window::maintenance_windows};
use crate::api::PromotionSpec;

/// The windows of a promotion. What can't work is added to `faults`.
pub fn promotion_windows(spec: &PromotionSpec, faults: &mut Vec<SpecFault>) -> MaintenanceWindows {
    maintenance_windows(&spec.windows, "spec.windows", faults)
}
