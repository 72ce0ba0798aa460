//! Where the administrator's policy stands.

use crate::reasons;

reasons! {
    /// Where the administrator's policy of a namespace stands.
    pub enum AdministrationReason {
        /// There is no phaseloop-policy in the namespace; the catalogue's own bounds hold.
        PolicyAbsent,
        /// phaseloop-policy was read and is in force.
        PolicyInForce,
        /// phaseloop-policy can't be read; nothing begins until the administrator has mended it.
        PolicyInvalid,
    }
}
