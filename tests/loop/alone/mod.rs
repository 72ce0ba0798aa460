//! What is run with nothing beside it: nights that are measured, and what is done to the operator that all share.

mod clock;
mod cut_off;
mod definition;
mod installing;
mod leaving;
mod memory;
mod night;
mod release;
mod size;
mod trials;
