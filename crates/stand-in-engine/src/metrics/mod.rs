//! What `/metrics` shows.
//!
//! **What lives here**: the figures that the engine and the server count, and the page that they are printed on, with the
//! names, types, labels and order of a recorded page.
//!
//! **What must not**: anything that decides; who counts what stands at the place where it happens.

mod engine;
mod histogram;
mod http;
mod page;

pub(crate) use engine::{EngineFigures, Fixed, Journey, Outcome};
pub(crate) use http::{Exchange, HttpFigures};
pub(crate) use page::Page;
