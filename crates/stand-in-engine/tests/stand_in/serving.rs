//! What it answers, and how long that takes.

use serde_json::{Value, json};

use crate::rig::{asking, events, get, get_with_key, post, post_in_vain, started, stopped, streaming, value, within};

fn read(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn a_stream_has_one_part_for_each_token_and_then_the_usage() {
    let (engine, address) = started(&[], &[]).await;
    let (status, body) = post(address, "/v1/completions", &streaming(64, 5)).await;
    let parts = events(&body);
    assert_eq!((status, parts.len()), (200, 6));
    let texts: Vec<&str> = parts[..5].iter().map(|part| part["choices"][0]["text"].as_str().unwrap()).collect();
    assert!(texts.iter().all(|text| !text.is_empty()), "{texts:?}");
    let reasons: Vec<&Value> = parts[..5].iter().map(|part| &part["choices"][0]["finish_reason"]).collect();
    assert_eq!(reasons, [&Value::Null, &Value::Null, &Value::Null, &Value::Null, &json!("length")]);
    assert_eq!((&parts[5]["usage"]["prompt_tokens"], &parts[5]["usage"]["completion_tokens"]), (&json!(64), &json!(5)));
    let without = json!({"model": "tiny", "prompt": "a", "max_tokens": 3, "ignore_eos": true, "stream": true});
    assert_eq!(events(&post(address, "/v1/completions", &without).await.1).len(), 3);
    stopped(engine).await;
}

#[tokio::test]
async fn a_chat_begins_with_a_role_and_counts_its_tokens() {
    let (engine, address) = started(&[], &[]).await;
    let body = json!({"model": "tiny", "messages": [{"role": "user", "content": "why is it slow"}], "ignore_eos": true,
        "max_completion_tokens": 3, "stream": true, "stream_options": {"include_usage": true}});
    let parts = events(&post(address, "/v1/chat/completions", &body).await.1);
    assert_eq!(parts[0]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    let words = parts.iter().filter_map(|part| part["choices"][0]["delta"]["content"].as_str());
    assert_eq!(words.filter(|text| !text.is_empty()).count(), 3);
    assert_eq!(parts.last().unwrap()["usage"]["total_tokens"], 7);
    let body = json!({"messages": [{"role": "user", "content": "why"}], "max_tokens": 2, "ignore_eos": true});
    let whole = read(&post(address, "/v1/chat/completions", &body).await.1);
    assert_eq!(whole["choices"][0]["message"]["role"], "assistant");
    assert_eq!(whole["usage"]["completion_tokens"], 2);
    stopped(engine).await;
}

#[tokio::test]
async fn what_is_asked_about_the_engine_is_answered() {
    let (engine, address) = started(&["--served-model-name", "tiny", "small"], &[]).await;
    assert_eq!(read(&get(address, "/version").await.1), json!({"version": "0.32.0"}));
    let models = read(&get(address, "/v1/models").await.1);
    assert_eq!((&models["data"][0]["id"], &models["data"][1]["id"]), (&json!("tiny"), &json!("small")));
    assert_eq!(
        (&models["data"][0]["max_model_len"], &models["data"][0]["root"]),
        (&json!(1024), &json!("/models/tiny"))
    );
    assert_eq!(read(&get(address, "/load").await.1), json!({"server_load": 0}));
    assert_eq!(get(address, "/ping").await, (200, String::new()));
    assert_eq!((get(address, "/sleep").await.0, get(address, "/v1/completions").await.0), (404, 405));
    let small = json!({"model": "small", "prompt": "a", "max_tokens": 1});
    assert_eq!(read(&post(address, "/v1/completions", &small).await.1)["model"], "tiny");
    let other = json!({"model": "other", "prompt": "a"});
    assert_eq!(post(address, "/v1/completions", &other).await.0, 404);
    assert_eq!(post(address, "/v1/completions", &asking(1000, 100)).await.0, 400);
    stopped(engine).await;
}

#[tokio::test]
async fn with_a_key_only_those_who_have_it_are_answered() {
    let (engine, address) = started(&["--api-key", "one", "two"], &[]).await;
    assert_eq!(get(address, "/v1/models").await, (401, "{\"error\":\"Unauthorized\"}".to_owned()));
    assert_eq!(get_with_key(address, "/v1/models", "two").await, 200);
    assert_eq!(get_with_key(address, "/v1/models", "three").await, 401);
    assert_eq!((get(address, "/health").await.0, get(address, "/metrics").await.0), (200, 200));
    let (_, printed) = stopped(engine).await;
    assert!(printed.contains("'api_key': ['one', 'two']"), "vLLM prints them, and so does this");
}

/// Sixteen at once; seconds that they waited for a place, altogether, and the most that ran.
async fn waited(places: &str) -> f64 {
    let (engine, address) = started(&["--max-num-seqs", places], &[]).await;
    let requests: Vec<_> =
        (0..16).map(|_| tokio::spawn(post_in_vain(address, "/v1/completions", asking(64, 32)))).collect();
    for request in requests {
        assert_eq!(within(request).await.unwrap().unwrap().0, 200);
    }
    let page = get(address, "/metrics").await.1;
    stopped(engine).await;
    value(&page, "vllm:request_queue_time_seconds_sum{engine=\"0\",model_name=\"tiny\"}")
}

#[tokio::test]
async fn with_few_places_requests_wait() {
    let (few, many) = (waited("2").await, waited("32").await);
    // Seven rounds of answers, of 80 ms and more each, are between the first two and the last two of sixteen.
    assert!(few > 3.0, "{few}");
    assert!(few > 3.0 * many, "{few} beside {many}");
}

#[tokio::test]
async fn who_goes_away_frees_a_place_and_is_counted_as_aborted() {
    let (engine, address) = started(&["--max-num-seqs", "1"], &[]).await;
    let first = tokio::spawn(post_in_vain(address, "/v1/completions", streaming(64, 900)));
    within(async {
        while value(&get(address, "/metrics").await.1, "vllm:num_requests_running{engine=\"0\",model_name=\"tiny\"}")
            < 1.0
        {}
    })
    .await;
    first.abort();
    assert_eq!(post(address, "/v1/completions", &asking(64, 2)).await.0, 200);
    let page = get(address, "/metrics").await.1;
    let ended = |reason: &str| {
        value(
            &page,
            &format!("vllm:request_success_total{{engine=\"0\",finished_reason=\"{reason}\",model_name=\"tiny\"}}"),
        )
    };
    assert_eq!((ended("abort").to_string(), ended("length").to_string()), ("1".to_owned(), "1".to_owned()));
    stopped(engine).await;
}
