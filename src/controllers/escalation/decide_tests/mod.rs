//! Decisions about Escalations, look by look.

mod begin;
mod borrow;
mod conclude;
mod cut;
mod deny;
mod flag;
mod gate;
mod go_on;
mod keep;
mod prune;
mod refuse;
mod stall;
mod world;

use super::*;
