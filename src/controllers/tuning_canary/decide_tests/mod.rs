//! Decisions about canaries, look by look.

mod abort;
mod begin;
mod measure;
mod release;
mod settle;
mod tell;
mod world;

use super::*;
