//! A whole cluster in memory, in which the real operator runs under a virtual clock.
//!
//! **What lives here**: the oracles that watch what happens. **What must not**: anything that the operator knows of.

pub mod oracle;
