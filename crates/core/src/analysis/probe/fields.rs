//! What the fields of a report's text mean.

/// The fields of the text with their meaning, for the reference. A test holds them against what is written.
pub const PROBE_REPORT_FIELDS: &[(&str, &str)] = &[
    ("v", "version, 1"),
    ("e", "how the probe ended: a name of `ProbeEnding`"),
    ("d", "why, in one line"),
    ("t", "first contact, ready, start and end of the measurement: milliseconds since 1970, or null"),
    ("r", "requests offered, completed, failed"),
    ("g", "requests within every limit"),
    ("m", "which ones: schedule hash, and one bit per offered request as hexadecimal digits"),
    (
        "q",
        "metrics `ttft`, `tpot`, `itl`, `e2e` (ms), `rps`, `otps` (per second): samples, mean, standard deviation, \
         then MAD, minimum, median, p90, p95, p99, maximum; one figure alone is written once",
    ),
    (
        "b",
        "what `ttft` and `e2e` (ms) came to at least, over the requests that were answered or cut off when the time was up: how \
         many, how many of them were cut off before it, mean, standard deviation; left out where none was cut off",
    ),
    ("s", "the engine's own means of TTFT, ITL, E2E and queue time (ms), preemptions, largest KV cache use"),
    (
        "w",
        "first tokens, and whole answers, between the first and the last look at the engine's metrics: counted by the engine, \
         by the client, of how many it is not sure, and the client's mean (ms)",
    ),
    ("p", "the client's delay behind its schedule, mean and p99, and the mean interval between arrivals (ms)"),
    ("f", "deaths: time, class, `Overcommitted` or `Starved`, exit code, deciding line"),
    ("n", "engine and version"),
    ("o", "served model"),
    ("c", "the engine's effective configuration by flag"),
    ("u", "GPUs: product, count, driver, sharing; left out where nobody saw them"),
    ("k", "the largest share of a card's memory in use, percent, rounded up; left out where nobody saw it"),
    ("x", "parts that the message had no room for"),
];
