//! The server as clients see it: through `kube::Client`, and beside it.

mod objects;
mod pods;
mod scaling;
mod support;
mod watches;
