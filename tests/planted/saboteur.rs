//! Who plays the buggy operator: it stands before the API server, and writes under the operator's own name what the
//! operator would write if it had the bug.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use phaseloop::simulation::{
    api_server::{ApiServer, RequestDescription, RequestInterceptor, StatusError, Verb, Verdict},
    world::World,
};

use crate::hand::Hand;

/// Whose requests are disturbed.
const OPERATOR: &str = "system:serviceaccount:phaseloop-system:";

/// Before or after a request of the operator is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

/// A request of the operator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) side: Side,
    pub(crate) verb: Verb,
    pub(crate) resource: &'static str,
    pub(crate) subresource: &'static str,
}

impl Moment {
    /// After the operator made an object of this resource.
    pub(crate) const fn made(resource: &'static str) -> Self {
        Self { side: Side::After, verb: Verb::Create, resource, subresource: "" }
    }

    /// After the operator wrote the status of an object of this resource.
    pub(crate) const fn told(resource: &'static str) -> Self {
        Self { side: Side::After, verb: Verb::Update, resource, subresource: "status" }
    }

    /// Before the operator writes the status of an object of this resource.
    pub(crate) const fn before_told(resource: &'static str) -> Self {
        Self { side: Side::Before, ..Self::told(resource) }
    }

    /// After the operator patched an object of this resource.
    pub(crate) const fn patched(resource: &'static str) -> Self {
        Self { side: Side::After, verb: Verb::Patch, resource, subresource: "" }
    }

    /// Before the operator patches an object of this resource.
    pub(crate) const fn before_patched(resource: &'static str) -> Self {
        Self { side: Side::Before, ..Self::patched(resource) }
    }

    fn is(&self, side: Side, request: &RequestDescription) -> bool {
        self.side == side
            && self.verb == request.verb
            && self.resource == request.resource
            && self.subresource == request.subresource
    }
}

/// What a saboteur does at a moment; `None` says that this was not the one.
pub(crate) type Act = fn(&Hand) -> Option<()>;

/// How often it does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    /// The first time that it finds its moment.
    Once,
    /// Whenever it finds its moment.
    Always,
    /// The first time; from then on no pod is deleted by the operator's requests.
    OnceAndNoPodIsDeletedAgain,
    /// The first time; from then on the operator's requests to change a promotion, but not its status, are refused.
    OnceAndNoPromotionIsLetGo,
    /// The first time; from then on the operator's requests to change a target are refused.
    OnceAndNothingIsGivenBack,
}

/// What a saboteur is up to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plant {
    pub(crate) at: Moment,
    pub(crate) times: Times,
    pub(crate) act: Act,
}

/// Listens to the operator's requests, and acts between them.
pub(crate) struct Saboteur {
    server: ApiServer,
    gate: Arc<dyn RequestInterceptor>,
    plant: Plant,
    acted: AtomicBool,
}

impl Saboteur {
    /// Puts a saboteur before the API server of a world. Whoever decided about requests decides as before.
    pub(crate) fn install(world: &World, plant: Plant) -> Arc<Self> {
        let server = world.server.clone();
        let gate = server.interceptor().unwrap();
        let saboteur = Arc::new(Self { server, gate, plant, acted: AtomicBool::new(false) });
        world.server.set_interceptor(Some(saboteur.clone()));
        saboteur
    }

    /// Whether it found its moment.
    pub(crate) fn has_acted(&self) -> bool {
        self.acted.load(Ordering::Relaxed)
    }

    fn listen(&self, side: Side, request: &RequestDescription) {
        let is_due = self.plant.times == Times::Always || !self.has_acted();
        if is_due && request.user.starts_with(OPERATOR) && !request.dry_run && self.plant.at.is(side, request) {
            let hand = Hand::new(&self.server, &request.user, &request.name);
            if (self.plant.act)(&hand).is_some() {
                self.acted.store(true, Ordering::Relaxed);
            }
        }
    }

    fn refuses(&self, request: &RequestDescription) -> bool {
        let is_refused = match self.plant.times {
            Times::Once | Times::Always => false,
            Times::OnceAndNoPodIsDeletedAgain => (request.verb, request.resource.as_str()) == (Verb::Delete, "pods"),
            Times::OnceAndNoPromotionIsLetGo => {
                (request.verb, request.resource.as_str(), request.subresource.as_str())
                    == (Verb::Patch, "promotions", "")
            }
            Times::OnceAndNothingIsGivenBack => {
                request.verb == Verb::Patch && ["deployments", "statefulsets"].contains(&request.resource.as_str())
            }
        };
        is_refused && self.has_acted() && request.user.starts_with(OPERATOR)
    }
}

impl RequestInterceptor for Saboteur {
    fn before(&self, request: &RequestDescription) -> Verdict {
        self.listen(Side::Before, request);
        match self.gate.before(request) {
            Verdict::Proceed | Verdict::Hold(_) if self.refuses(request) => {
                Verdict::Answer(Box::new(StatusError::service_unavailable("the saboteur refuses it")))
            }
            verdict => verdict,
        }
    }

    fn after(&self, request: &RequestDescription, code: u16) -> Verdict {
        if code < 300 {
            self.listen(Side::After, request);
        }
        self.gate.after(request, code)
    }
}
