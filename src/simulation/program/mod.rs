//! What the containers of a simulated cluster do.
//!
//! **What lives here**: which programs a pod has, by what its containers are told; an engine in production; an engine under
//! test with the probe that measures it; a custom test with its collector; everything else.
//!
//! **What must not**: pods and restarts (the kubelet's), and how an engine behaves (`simulation::engine`).

mod catalog;
mod custom_test;
mod engine_run;
mod helper;
mod plain;
mod probe_run;
mod production;
mod report;
mod serving_test;
mod timeline;

pub use catalog::{Catalog, CustomTest, EngineImage, NodeCondition, Programs, TestFigures};
