//! What can be run side by side: each in a namespace of its own, and none of them judged by milliseconds.

mod approval;
mod domain;
mod gone;
mod lending;
mod memory;
mod odd;
mod production;
mod seen;
mod stop;
