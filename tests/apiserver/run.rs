//! Sends a script's requests through a client, whatever server is behind it.

use std::{collections::BTreeMap, time::Duration};

use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    answer::Answer,
    script::{Objects, Script, Step, Until, Verb},
    variable::{Variables, merge},
    watch::OpenWatch,
};

/// Longest wait for one answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);

/// How often a request with `until` is sent, and the pause between: 20 s in all. Parts of a server that follow what it
/// stored are behind by less than a second.
const TRIES_MAX: u32 = 400;
const TRY_PAUSE: Duration = Duration::from_millis(50);

/// Every request says who sends it. A server that is not told a field manager takes the part before the slash.
const USER_AGENT: &str = "phaseloop/0";

/// What came of a script.
pub(crate) struct Outcome {
    /// The answers, as they came.
    pub(crate) answers: Vec<Answer>,
    /// Why not every step was made.
    pub(crate) stopped: Option<String>,
}

/// Makes the script's namespace and sends its requests one after the other.
pub(crate) async fn run_script(client: &Client, script: &Script, objects: &Objects) -> Outcome {
    let mut running = Running {
        client,
        objects,
        variables: Variables::new(&script.namespace()),
        watches: BTreeMap::new(),
        answers: Vec::new(),
    };
    let mut stopped = prepare(client, &script.namespace()).await.err();
    for (number, step) in script.steps.iter().enumerate() {
        if stopped.is_some() {
            break;
        }
        stopped = running.step(step).await.err().map(|problem| format!("step {}: {problem}", number + 1));
    }
    Outcome { answers: running.answers, stopped }
}

/// A namespace with the ServiceAccount that a controller would make in it; without one no pod is let in.
async fn prepare(client: &Client, namespace: &str) -> Result<(), String> {
    let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
    for (path, kind, name) in [("/api/v1/namespaces", "Namespace", namespace), (&account, "ServiceAccount", "default")]
    {
        let object = json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name } });
        let request = request("POST", path, None, None, None, Some(&object))?;
        let (status, bytes) = document(send(client, request).await?).await?;
        // A server that knows no ServiceAccounts asks for none.
        if status != 201 && !(kind == "ServiceAccount" && status == 404) {
            return Err(format!("failed to make {kind} {name}: {status} {}", String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(())
}

struct Running<'run> {
    client: &'run Client,
    objects: &'run Objects,
    variables: Variables,
    watches: BTreeMap<String, OpenWatch>,
    answers: Vec<Answer>,
}

impl Running<'_> {
    async fn step(&mut self, step: &Step) -> Result<(), String> {
        let answer = match step.verb {
            Verb::Watch => self.watch(step).await?,
            Verb::Collect => self.collect(step).await?,
            _ => self.ask(step).await?,
        };
        let document = answer.document();
        self.answers.push(answer);
        for (name, pointer) in &step.capture {
            self.variables.capture(name, pointer, &document)?;
        }
        Ok(())
    }

    async fn ask(&self, step: &Step) -> Result<Answer, String> {
        let mut tries = 0;
        loop {
            let (status, bytes) = document(send(self.client, self.request(step)?).await?).await?;
            let answer = Answer::of_document(step.line(), status, &bytes);
            tries += 1;
            if step.until.as_ref().is_none_or(|until| is_awaited(until, &answer)) || tries == TRIES_MAX {
                return Ok(answer);
            }
            sleep(TRY_PAUSE).await;
        }
    }

    async fn watch(&mut self, step: &Step) -> Result<Answer, String> {
        let response = send(self.client, self.request(step)?).await?;
        let status = response.status().as_u16();
        if status != 200 {
            let (status, bytes) = document(response).await?;
            return Ok(Answer::of_document(step.line(), status, &bytes));
        }
        let mut watch = OpenWatch::new(response.into_body());
        let events = self.events(&mut watch, step, status).await?;
        if let Some(name) = &step.watch {
            self.watches.insert(name.clone(), watch);
        }
        Ok(events)
    }

    async fn collect(&mut self, step: &Step) -> Result<Answer, String> {
        let name = step.watch.as_deref().unwrap_or_default();
        let mut watch = self.watches.remove(name).ok_or_else(|| format!("no watch {name} is open"))?;
        let events = self.events(&mut watch, step, 0).await?;
        self.watches.insert(name.to_owned(), watch);
        Ok(events)
    }

    /// What came is kept also where something is missing: it shows what the server did instead.
    async fn events(&mut self, watch: &mut OpenWatch, step: &Step, status: u16) -> Result<Answer, String> {
        match watch.collect(step.events).await {
            Ok(events) => Ok(Answer::of_events(step.line(), status, events)),
            Err((events, problem)) => {
                self.answers.push(Answer::of_events(step.line(), status, events));
                Err(problem)
            }
        }
    }

    fn request(&self, step: &Step) -> Result<Request<Body>, String> {
        let mut path = self.variables.fill(&step.path)?;
        let mut query = Vec::new();
        if step.verb == Verb::Watch {
            query.push("watch=true".to_owned());
        }
        for (name, value) in &step.query {
            query.push(format!("{name}={}", encode(&self.variables.fill(value)?)));
        }
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        let method = if step.verb == Verb::Watch { "GET" } else { step.verb.text() };
        let body = self.body(step)?;
        let content_type = step.content_type.as_deref().map(media_type);
        let accept = step.accept.as_deref().map(media_type);
        request(method, &path, content_type, accept, step.user.as_deref(), body.as_ref())
    }

    fn body(&self, step: &Step) -> Result<Option<Value>, String> {
        let Some(name) = &step.object else {
            let body = self.variables.fill_value(&step.body)?;
            return Ok((!body.is_null()).then_some(body));
        };
        let captured = self.variables.get(name).cloned();
        let mut object = match (captured, self.objects.get(name)) {
            (Some(captured), _) => captured,
            (None, Some(object)) => self.variables.fill_value(object)?,
            (None, None) => return Err(format!("there is no object {name}")),
        };
        if !step.change.is_null() {
            merge(&mut object, &self.variables.fill_value(&step.change)?);
        }
        Ok(Some(object))
    }
}

fn is_awaited(until: &Until, answer: &Answer) -> bool {
    let message = answer.body.as_ref().and_then(|body| body["message"].as_str()).unwrap_or_default();
    answer.status == until.status && message.contains(&until.message)
}

/// The short names that scripts use.
fn media_type(name: &str) -> &str {
    match name {
        "merge" => "application/merge-patch+json",
        "json" => "application/json-patch+json",
        "apply" => "application/apply-patch+yaml",
        "strategic" => "application/strategic-merge-patch+json",
        "metadata" => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        "metadata-list" => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        other => other,
    }
}

/// A value of a query, with everything encoded that is not a letter, a digit or one of `-._~`.
fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// A request as kube builds it, with the user in whose name it is sent.
pub(crate) fn request(
    method: &str,
    path: &str,
    content_type: Option<&str>,
    accept: Option<&str>,
    user: Option<&str>,
    body: Option<&Value>,
) -> Result<Request<Body>, String> {
    let mut builder = Request::builder()
        .method(method)
        .uri(path)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, accept.unwrap_or("application/json"));
    if body.is_some() {
        builder = builder.header(header::CONTENT_TYPE, content_type.unwrap_or("application/json"));
    }
    if let Some(user) = user {
        builder = builder.header("Impersonate-User", user).header("Impersonate-Group", "system:masters");
    }
    let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    builder.body(Body::from(bytes)).map_err(|error| format!("{method} {path} is no request: {error}"))
}

/// Sends a request; a server that does not begin to answer in time has failed.
pub(crate) async fn send(client: &Client, request: Request<Body>) -> Result<Response<Body>, String> {
    let line = format!("{} {}", request.method(), request.uri());
    match timeout(ANSWER_WAIT_MAX, client.send(request)).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => Err(format!("{line}: {error}")),
        Err(_) => Err(format!("{line}: no answer within {} s", ANSWER_WAIT_MAX.as_secs())),
    }
}

/// Status and whole body of an answer.
pub(crate) async fn document(response: Response<Body>) -> Result<(u16, Vec<u8>), String> {
    let status = response.status().as_u16();
    match timeout(ANSWER_WAIT_MAX, response.into_body().collect()).await {
        Ok(Ok(body)) => Ok((status, body.to_bytes().to_vec())),
        Ok(Err(error)) => Err(format!("the body of the answer broke off: {error}")),
        Err(_) => Err(format!("the body of the answer was not whole within {} s", ANSWER_WAIT_MAX.as_secs())),
    }
}
