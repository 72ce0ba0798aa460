//! What the operator asks of the API server: every request of its replicas while whole stories happen, and of a replica with
//! its watches and its lease.

use std::{
    collections::BTreeSet,
    fs,
    sync::{Arc, Mutex},
};

use phaseloop::{
    installation::Right,
    simulation::{
        answer::run_in,
        api_server::{ApiServer, RequestDescription, RequestInterceptor, Verdict},
        scenario::{prepare, read_scenario},
        world::World,
    },
};

use crate::committed::repository;

/// Something that was asked for: where, and what.
pub(crate) type Asked = BTreeSet<(String, Right)>;

/// Listens to requests of some users before whoever decides about them.
struct Listener {
    decides: Option<Arc<dyn RequestInterceptor>>,
    user_prefix: &'static str,
    asked: Mutex<Asked>,
}

impl RequestInterceptor for Listener {
    fn before(&self, request: &RequestDescription) -> Verdict {
        if request.user.starts_with(self.user_prefix) {
            let subresource =
                if request.subresource.is_empty() { String::new() } else { format!("/{}", request.subresource) };
            let right = Right {
                group: request.group.clone(),
                resource: format!("{}{subresource}", request.resource),
                verb: request.verb.name().to_owned(),
                name: request.name.clone(),
            };
            self.asked.lock().unwrap().insert((request.namespace.clone(), right));
        }
        self.decides.as_ref().map_or(Verdict::Proceed, |decides| decides.before(request))
    }

    fn after(&self, request: &RequestDescription, code: u16) -> Verdict {
        self.decides.as_ref().map_or(Verdict::Proceed, |decides| decides.after(request, code))
    }
}

/// Hears from here on what users ask for whose name begins so. The answer tells what was heard until then.
pub(crate) fn listen(server: &ApiServer, user_prefix: &'static str) -> impl Fn() -> Asked + use<> {
    let listener = Arc::new(Listener { decides: server.interceptor(), user_prefix, asked: Mutex::default() });
    server.set_interceptor(Some(listener.clone()));
    move || listener.asked.lock().unwrap().clone()
}

/// What the operator asks for in a scenario of `scenarios/`, from its beginning to its end.
pub(crate) fn asked_in(scenario: &str) -> Asked {
    let name = format!("scenarios/{scenario}.yaml");
    let file = read_scenario(&name, &fs::read_to_string(repository(&name)).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let prepared = prepare(&file).unwrap();
        let world = World::new(prepared.settings.clone()).unwrap();
        let heard = listen(&world.server, "system:serviceaccount:phaseloop-system:");
        let (answer, _world) = Box::pin(run_in(world, &file, prepared, |_, _| {})).await.unwrap();
        assert!(answer.unmet.is_empty(), "{scenario}: {:?}", answer.unmet);
        heard()
    })
}
