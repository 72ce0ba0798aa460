//! The server as clients see it: through `kube::Client`, and beside it.

mod objects;
mod support;
mod watches;
