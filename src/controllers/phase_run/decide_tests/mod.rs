//! What a run does, look by look.

mod abort;
mod begin;
mod borrow;
mod end;
mod tell;
mod wait;
mod world;

use super::*;
