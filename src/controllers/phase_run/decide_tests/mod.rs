//! What a run does, look by look.

mod abort;
mod begin;
mod end;
mod wait;
mod world;

use super::*;
