//! What is run with nothing beside it: nights that are measured, and what is done to the operator that all share.

mod clock;
mod installing;
mod leaving;
mod night;
mod release;
mod size;
