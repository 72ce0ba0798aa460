//! Decisions about promotions, look by look.

mod apply;
mod approve;
mod config_map;
mod cut;
mod edge;
mod end;
mod finalizer;
mod hold;
mod land;
mod roll_back;
mod tell;
mod world;

use super::*;
