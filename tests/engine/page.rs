//! The tables of `docs/engine-model.md` are what the model gives: this test compares them, and with `UPDATE=1` writes them.

use std::{env, fs, path::Path};

use phaseloop::simulation::engine::GIB;

use crate::{
    recorded::{
        CALIBRATING, CALIBRATING_FEW, Figures, HELD_OUT, HELD_OUT_FEW, MACHINE, RecordedNight, file, machine, nights,
        of_nights,
    },
    rig::plan,
    winners::{UTILIZATION, contests},
};

const PAGE: &str = "docs/engine-model.md";
/// Seeds over which the model's chance is averaged.
const SEEDS: std::ops::Range<u64> = 1..9;
/// Fewer are enough to find a night's pace, which has two places behind the point.
const SEEDS_OF_PACE: std::ops::Range<u64> = 1..3;

/// A table between two marks of the page.
struct Table {
    mark: &'static str,
    lines: Vec<String>,
}

impl Table {
    fn new(mark: &'static str, head: &[&str]) -> Self {
        let row = |cells: Vec<&str>| format!("| {} |", cells.join(" | "));
        Self { mark, lines: vec![row(head.to_vec()), row(head.iter().map(|_| "---").collect())] }
    }

    fn row(&mut self, cells: &[String]) {
        self.lines.push(format!("| {} |", cells.join(" | ")));
    }

    /// The page with this table in its place.
    fn into_page(self, page: &str) -> String {
        let (begin, end) = (format!("<!-- {}: begin -->\n", self.mark), format!("<!-- {}: end -->", self.mark));
        let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("{PAGE} has no {begin}"));
        let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{PAGE} has no {end}"));
        format!("{before}{begin}{}\n{end}{after}", self.lines.join("\n"))
    }
}

/// Three places that count, and no more than two behind the point.
fn figure(figure: f64) -> String {
    match figure {
        large if large >= 100.0 => format!("{large:.0}"),
        middle if middle >= 10.0 => format!("{middle:.1}"),
        small => format!("{small:.2}"),
    }
}

fn deviation(recorded: f64, modelled: f64) -> String {
    format!("{:+.0} %", (modelled / recorded - 1.0) * 100.0)
}

fn compared(recorded: f64, modelled: f64) -> [String; 3] {
    [figure(recorded), figure(modelled), deviation(recorded, modelled)]
}

/// A name and where the figure stands.
type Row = (&'static str, fn(&Figures) -> f64);

const ROWS: [Row; 8] = [
    ("TTFT, ms", |figures| figures.first_token),
    ("TTFT in the engine, ms", |figures| figures.first_token_in_engine),
    ("TPOT, ms", |figures| figures.per_token),
    ("TPOT, p90, ms", |figures| figures.per_token_p90),
    ("between two tokens, median, ms", |figures| figures.gap_median),
    ("between two tokens, p95, ms", |figures| figures.gap_p95),
    ("E2E, ms", |figures| figures.whole),
    ("requests per second", |figures| figures.throughput),
];

fn groups_of(mark: &'static str, nights: &[RecordedNight], found_on: &[u32], held_out: &[u32], queue: bool) -> Table {
    let head = ["mean of", "recorded", "model", "off by", "recorded", "model", "off by"];
    let mut table = Table::new(mark, &head);
    let means = |numbers: &[u32]| {
        let nights = of_nights(nights, numbers);
        let recorded: Vec<Figures> = nights.iter().map(|night| night.figures).collect();
        let modelled: Vec<Figures> = nights.iter().map(|night| night.modelled(&MACHINE, 1.0, SEEDS)).collect();
        (Figures::mean(&recorded), Figures::mean(&modelled))
    };
    let ((recorded, modelled), (recorded_out, modelled_out)) = (means(found_on), means(held_out));
    let waiting: Row = ("waiting to be admitted, ms", |figures| figures.queue);
    for (name, of) in ROWS.into_iter().chain(queue.then_some(waiting)) {
        let cells = compared(of(&recorded), of(&modelled)).into_iter();
        let cells = cells.chain(compared(of(&recorded_out), of(&modelled_out)));
        table.row(&core::iter::once(name.to_owned()).chain(cells).collect::<Vec<_>>());
    }
    table
}

/// Night by night, each at its own pace.
fn paces(nights: &[RecordedNight]) -> Table {
    let head = [
        "night",
        "what was done",
        "pace",
        "TTFT",
        "model",
        "off by",
        "E2E",
        "model",
        "off by",
        "E2E p99",
        "model",
        "off by",
    ];
    let mut table = Table::new("night by night", &head);
    for night in nights.iter().filter(|night| night.label != "client_stalled") {
        let pace = night.pace(&MACHINE, SEEDS_OF_PACE);
        let (recorded, modelled) = (night.figures, night.modelled(&MACHINE, pace, SEEDS));
        let mut cells = vec![night.number.to_string(), night.label.replace('_', " "), format!("{pace:.2}")];
        for of in [
            |figures: &Figures| figures.first_token,
            |figures: &Figures| figures.whole,
            |figures: &Figures| figures.whole_p99,
        ] {
            cells.extend(compared(of(&recorded), of(&modelled)));
        }
        table.row(&cells);
    }
    table
}

/// What the recorded engine printed of its memory.
fn memory() -> Table {
    let started = file("crates/core/tests-data/engine/startup.log");
    let cached = started.lines().find(|line| line.contains("KV cache size")).unwrap();
    let tokens: u64 =
        cached.split("size: ").nth(1).unwrap().split(" tokens").next().unwrap().replace(',', "").parse().unwrap();
    let of = |pairs: &[(&str, &str)]| plan(&machine(pairs)).unwrap();
    let modelled = of(&[]).cache_tokens();
    let mut table = Table::new("memory", &["what", "recorded", "model"]);
    table.row(&[
        "tokens in the cache at `--gpu-memory-utilization 0.2`".to_owned(),
        tokens.to_string(),
        format!("{modelled} ({:+.2} %)", (modelled as f64 / tokens as f64 - 1.0) * 100.0),
    ]);
    let refused = file("crates/core/tests-data/engine/refused-memory.log");
    let lacking = refused.split("requested memory for kv (").nth(1).unwrap().split('/').next().unwrap();
    let small = plan(&machine(&[("gpu-memory-utilization", "0.01")])).unwrap_err();
    let phaseloop::simulation::engine::MemoryRefusal::NoCacheBlocks { available_bytes } = small else {
        panic!("{small:?}")
    };
    table.row(&[
        "left for the cache at 0.01, GiB: refused".to_owned(),
        lacking.to_owned(),
        format!("{:.2}", available_bytes as f64 / GIB as f64),
    ]);
    let refused = file("crates/core/tests-data/engine/refused-kv-too-small.log");
    let length = refused.split("estimated maximum model length is ").nth(1).unwrap().split('.').next().unwrap();
    let no_room = plan(&machine(&[("kv-cache-memory-bytes", "524288")])).unwrap_err();
    let phaseloop::simulation::engine::MemoryRefusal::ModelLength { fitting_tokens, .. } = no_room else {
        panic!("{no_room:?}")
    };
    table.row(&[
        "longest sequence with four blocks, 1,024 wanted: refused".to_owned(),
        length.to_owned(),
        fitting_tokens.to_string(),
    ]);
    table
}

/// Other targets, other winners.
fn winners() -> Table {
    let mut table = Table::new(
        "winners",
        &["card and model", "what happened", "diagnosis", "tried", "winner", "highest fitness by brute force"],
    );
    for (what, contest) in contests() {
        let spec = &contest.target.changed;
        let name = spec.model.name.rsplit('/').next().unwrap();
        let tried: Vec<String> = contest.tried().collect();
        let (diagnosis, flag) = (contest.answer.diagnoses[0], contest.flag);
        let steps = if flag == UTILIZATION { "hundredths" } else { "powers of two" };
        table.row(&[
            format!("{}, {name}", spec.card.product),
            what.to_owned(),
            format!("{diagnosis:?}"),
            format!("`{flag}` {}", tried.join(", ")),
            format!("{}, fitness {}", contest.won.value, contest.won.judgement.fitness.unwrap()),
            format!("{} of {} {steps}", contest.best_of_all(), contest.points.len()),
        ]);
    }
    table
}

#[test]
fn the_tables_of_the_page_are_what_the_model_gives() {
    let nights = nights();
    let tables = [
        memory(),
        groups_of("32 places", &nights, &CALIBRATING, &HELD_OUT, false),
        groups_of("2 places", &nights, &CALIBRATING_FEW, &HELD_OUT_FEW, true),
        paces(&nights),
        winners(),
    ];
    let page = file(PAGE);
    let made = tables.into_iter().fold(page.clone(), |page, table| table.into_page(&page));
    if env::var_os("UPDATE").is_some() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE), &made).unwrap();
        return;
    }
    for (line, (stands, gives)) in page.lines().zip(made.lines()).enumerate() {
        assert_eq!(stands, gives, "line {} of {PAGE}; UPDATE=1 cargo test --test engine writes it anew", line + 1);
    }
    assert_eq!(page.lines().count(), made.lines().count());
}
