//! An engine's life from its arguments to its exit code.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    clock,
    command_line::Arguments,
    environment::Environment,
    memory::{Plan, Refusal},
    metrics::Fixed,
    output::Output,
    queue::Limits,
    server::{Server, serve},
    text::{self, Parts, Voice},
    worker::{Board, Cause, Death, Worker},
};

/// How often the engine tells of its throughput.
const FIGURES_EVERY: Duration = Duration::from_secs(10);

/// argparse's code for a command line that it refuses.
const EXIT_USAGE: u8 = 2;
/// Python's code after an exception that nobody caught.
const EXIT_REFUSED: u8 = 1;
/// `EX_USAGE` of sysexits.h: a variable of ours is wrong. vLLM has no such end.
const EXIT_ENVIRONMENT: u8 = 64;
/// As shells report a death by SIGTERM, which nothing handles during a start.
const EXIT_STOPPED_AT_START: u8 = 143;

/// What an engine is started with.
#[derive(Debug, Clone)]
pub struct Setting {
    /// What follows the program's name: `serve MODEL --flag value ...`.
    pub arguments: Vec<String>,
    /// Variables of the environment; see [`crate::environment`].
    pub environment: Vec<(String, String)>,
    /// Where its lines go.
    pub output: Output,
}

/// Lives one life: starts, tells `ready` its address, serves until `stop` or until its engine dies. Gives the exit code.
pub async fn live(setting: Setting, stop: impl Future<Output = ()>, ready: watch::Sender<Option<SocketAddr>>) -> u8 {
    let output = setting.output;
    let arguments = match Arguments::read(&setting.arguments) {
        Ok(arguments) => arguments,
        Err(refusal) => {
            output.write(refusal.text());
            return EXIT_USAGE;
        }
    };
    let environment = match Environment::read(setting.environment) {
        Ok(environment) => environment,
        Err(error) => {
            output.write(&format!("stand-in: {error}\n"));
            return EXIT_ENVIRONMENT;
        }
    };
    let ignores = environment.ignores_sigterm;
    let stop = async move {
        stop.await;
        if ignores {
            std::future::pending::<()>().await;
        }
    };
    tokio::pin!(stop);
    let voice = Voice::new(output, always(&arguments));
    let start = begin(&voice, &arguments, &environment);
    tokio::select! {
        () = start => {}
        () = &mut stop => return EXIT_STOPPED_AT_START,
    }
    let plan = Plan::of(&arguments, &environment);
    let text = match plan.refusal() {
        Some(Refusal::NoMemory) => text::REFUSED_MEMORY,
        Some(Refusal::TooShort) => text::REFUSED_LENGTH,
        None => return serve_until_end(voice, arguments, environment, plan, stop, ready).await,
    };
    voice.say_with(text, plan.parts());
    EXIT_REFUSED
}

/// What is the same in all lines of one life. There is one process; the numbers of the others are made up.
fn always(arguments: &Arguments) -> Parts {
    let process = std::process::id();
    Parts::from([
        ("api", process.to_string()),
        ("engine", process.saturating_add(1).to_string()),
        ("worker", process.saturating_add(2).to_string()),
        ("model", arguments.model().to_owned()),
        ("served", arguments.served_names().first().cloned().unwrap_or_default()),
        ("arguments", arguments.non_default()),
        ("length", arguments.length_max().to_string()),
        ("batched", arguments.batched_tokens_max().to_string()),
        ("tensor_parallel", arguments.tensor_parallel().to_string()),
        ("eager", if arguments.is_eager() { "True" } else { "False" }.to_owned()),
        ("rendezvous", format!("{:032x}", clock::since_epoch().as_nanos())),
    ])
}

async fn begin(voice: &Voice, arguments: &Arguments, environment: &Environment) {
    voice.say(&text::begin(arguments.is_eager()));
    if environment.start_hangs {
        std::future::pending::<()>().await;
    }
    sleep(environment.start).await;
}

async fn serve_until_end(
    voice: Voice,
    arguments: Arguments,
    environment: Environment,
    plan: Plan,
    stop: impl Future<Output = ()>,
    ready: watch::Sender<Option<SocketAddr>>,
) -> u8 {
    let (host, port) = arguments.address();
    let bound = async {
        let listener = TcpListener::bind((host.as_str(), port)).await?;
        let address = listener.local_addr()?;
        Ok::<_, std::io::Error>((listener, address))
    };
    let (listener, address) = match bound.await {
        Ok(bound) => bound,
        Err(error) => {
            voice.say_with(
                "OSError: ⟦error⟧: ⟦host⟧:⟦port⟧\n",
                Parts::from([("error", error.to_string()), ("host", host), ("port", port.to_string())]),
            );
            return EXIT_REFUSED;
        }
    };
    let (sender, requests) = mpsc::unbounded_channel();
    let (death, mut died) = watch::channel(None);
    let board = Board::new();
    let limits = Limits {
        sequences: arguments.sequences_max(),
        batched_tokens: arguments.batched_tokens_max(),
        cache_tokens: plan.tokens(),
        step_factor: environment.step_factor,
    };
    let worker = Worker::new(limits, arguments.utilization(), environment.clone(), requests, board.clone());
    let mut parts = plan.parts();
    parts.insert("address", address.to_string());
    voice.say_with(text::READY, parts);
    let fixed = fixed(&arguments, &plan);
    let logs_figures = arguments.logs_figures();
    let server = Server::new(arguments, &environment, voice.clone(), board.clone(), fixed, sender, died.clone());
    ready.send_replace(Some(address));
    let serving = serve(listener, Arc::new(server));
    let telling = tell_figures(&voice, &board, logs_figures);
    let dying = async {
        let death = match died.wait_for(Option::is_some).await {
            Ok(death) => *death,
            Err(_) => None,
        };
        if let Some(death) = death {
            say_death(&voice, death, &plan);
        }
        if environment.keeps_alive {
            std::future::pending::<()>().await;
        }
        sleep(environment.death_lasts).await;
    };
    let working = async {
        worker.work(death).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = serving => {}
        () = telling => {}
        () = working => {}
        () = dying => voice.say(text::ENDED),
        () = stop => voice.say(text::STOPPED),
    }
    0
}

fn fixed(arguments: &Arguments, plan: &Plan) -> Fixed {
    let decimal = |number: f64| format!("{:?}", (number * 100.0).round() / 100.0);
    let cache = Parts::from([
        ("utilization", format!("{:?}", arguments.utilization())),
        ("concurrency", decimal(plan.concurrency())),
        ("tokens", plan.tokens().to_string()),
        ("blocks", plan.blocks_used().to_string()),
        ("override", plan.blocks_override.map_or_else(|| "None".to_owned(), |blocks| blocks.to_string())),
    ]);
    let model_name = arguments.served_names().first().cloned().unwrap_or_default();
    Fixed { model_name, created: clock::epoch_seconds(), cache }
}

fn say_death(voice: &Voice, death: Death, plan: &Plan) {
    if death.cause == Cause::OutOfMemory {
        let mut parts = plan.parts();
        parts.extend([("tried_mib", "512.00".to_owned()), ("free_mib", "204.80".to_owned())]);
        voice.say_with(text::OUT_OF_MEMORY, parts);
    }
    voice.say(text::DIED);
    voice.say(&text::died_requests(death.streams));
}

/// The line of throughput, in each period in which there was any.
async fn tell_figures(voice: &Voice, board: &Board, is_told: bool) {
    const LINE: &str = "(APIServer pid=⟦api⟧) INFO ⟦now⟧ [loggers.py:335] Engine 000: Avg prompt throughput: ⟦prompt⟧ tokens/s, Avg generation throughput: ⟦answer⟧ tokens/s, Running: ⟦running⟧ reqs, Waiting: ⟦waiting⟧ reqs, CPU KV cache usage: ⟦cache⟧%, Prefix cache hit rate: 0.0%\n";
    let mut ticks = interval(FIGURES_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = (0.0, 0.0);
    loop {
        ticks.tick().await;
        let figures = board.lock().clone();
        let (prompt, answer) = (figures.prompt_tokens - before.0, figures.generation_tokens - before.1);
        before = (figures.prompt_tokens, figures.generation_tokens);
        if !is_told || (prompt + answer + figures.running + figures.waiting) <= 0.0 {
            continue;
        }
        let rate = |tokens: f64| format!("{:.1}", tokens / FIGURES_EVERY.as_secs_f64());
        voice.say_with(
            LINE,
            Parts::from([
                ("prompt", rate(prompt)),
                ("answer", rate(answer)),
                ("running", figures.running.to_string()),
                ("waiting", figures.waiting.to_string()),
                ("cache", format!("{:.1}", figures.cache_share * 100.0)),
            ]),
        );
    }
}
