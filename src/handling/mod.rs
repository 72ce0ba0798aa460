//! Handling an installed phaseloop: what the commands do with which a person or a script begins with it, awaits it, stops
//! it, leaves it, and checks what it told.
//!
//! **What lives here**: one folder or file per command, each in the same halves: reading through [`crate::cluster`], a pure
//! function over what was read, and the few writes that people's commands make. Nothing here decides for the operator: a
//! command asks for what a person could ask for with `kubectl`, and waits until the objects say that it came.
//!
//! **What must not**: reading the command line and printing (`cli`), clients (`cluster`), and decisions about targets.

pub mod audit;
pub mod cycle;
pub mod init;
pub mod name;
pub mod pace;
pub mod retry;
pub mod suspend;
pub mod uninstall;
