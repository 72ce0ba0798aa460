use proptest::prelude::*;

use super::*;

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(ToOwned::to_owned).collect()
}

fn container(command: &str, args: &str) -> TargetView {
    let container = ContainerView { command: words(command), args: words(args), environment: Vec::new() };
    TargetView { container, ..TargetView::default() }
}

fn shell(script: &str) -> TargetView {
    let container = ContainerView { command: words("/bin/sh -c"), args: vec![script.to_owned()], environment: vec![] };
    TargetView { container, ..TargetView::default() }
}

fn argument(flag: &str) -> Binding {
    Binding::of_parameter(&ParameterName::new(flag))
}

fn value(text: &str) -> ParameterValue {
    ParameterValue::from(text)
}

/// Sets the value, looks at it, sets it back; gives the changed view.
fn there_and_back(view: &TargetView, binding: &Binding, text: &str) -> BindingChange {
    let change = set_parameter(view, binding, &value(text)).unwrap();
    let seen = read_parameter(&change.view, binding).unwrap();
    assert_eq!(seen.value.as_deref().map(value), Some(value(text)));
    let back = restore_parameter(&change.view, binding, &value(text), &change.pre_image).unwrap();
    assert_eq!(&back, view, "set back exactly");
    change
}

fn changed_args(view: &TargetView, flag: &str, text: &str) -> (String, String, PreImage, Place) {
    let change = there_and_back(view, &argument(flag), text);
    let container = change.view.container;
    (container.command.join(" "), container.args.join(" "), change.pre_image, change.place)
}

fn elements(text: &str) -> PreImage {
    PreImage::Elements(words(text))
}

fn refusal(view: &TargetView, binding: &Binding) -> BindingReason {
    set_parameter(view, binding, &value("64")).unwrap_err().reason
}

#[test]
fn every_spelling_is_set_in_its_own_way() {
    for (args, changed, pre_image) in [
        ("--port 1 --max-num-seqs 2 --seed 0", "--port 1 --max-num-seqs 64 --seed 0", "--max-num-seqs 2"),
        ("--max-num-seqs=2", "--max-num-seqs=64", "--max-num-seqs=2"),
        ("--max_num_seqs 2", "--max_num_seqs 64", "--max_num_seqs 2"),
        ("--max_num_seqs=2", "--max_num_seqs=64", "--max_num_seqs=2"),
        ("--max-num-seqs 2 --max-num-seqs=3", "--max-num-seqs 2 --max-num-seqs=64", "--max-num-seqs=3"),
    ] {
        assert_eq!(
            changed_args(&container("vllm serve /m", args), "max-num-seqs", "64"),
            ("vllm serve /m".to_owned(), changed.to_owned(), elements(pre_image), Place::Args)
        );
    }
    assert_eq!(
        changed_args(&container("vllm serve /m --max-num-seqs 2 --port 1", ""), "max-num-seqs", "64"),
        (
            "vllm serve /m --max-num-seqs 64 --port 1".to_owned(),
            String::new(),
            elements("--max-num-seqs 2"),
            Place::Command
        )
    );
    assert_eq!(
        changed_args(&container("vllm serve /m --max-num-seqs", "2 --port 1"), "max-num-seqs", "64"),
        (
            "vllm serve /m --max-num-seqs".to_owned(),
            "64 --port 1".to_owned(),
            elements("--max-num-seqs 2"),
            Place::Command
        ),
        "the list is one, wherever it is cut"
    );
}

#[test]
fn a_flag_that_was_not_set_is_added_at_the_end_and_taken_away_again() {
    assert_eq!(
        changed_args(&container("", "/m --port 1"), "max-num-seqs", "64"),
        (String::new(), "/m --port 1 --max-num-seqs=64".to_owned(), PreImage::Absent, Place::Args)
    );
    assert_eq!(
        changed_args(&container("vllm serve /m", ""), "enable-prefix-caching", "false").1,
        "--no-enable-prefix-caching"
    );
    assert_eq!(
        changed_args(&container("vllm serve /m", ""), "enable-prefix-caching", "true").1,
        "--enable-prefix-caching"
    );
}

#[test]
fn switches_are_set_in_both_directions() {
    let switch =
        |args: &str, text: &str| changed_args(&container("vllm serve /m", args), "enable-prefix-caching", text).1;
    assert_eq!(switch("--enable-prefix-caching --port 1", "false"), "--no-enable-prefix-caching --port 1");
    assert_eq!(switch("--no-enable-prefix-caching --port 1", "true"), "--enable-prefix-caching --port 1");
    assert_eq!(switch("--no_enable_prefix_caching", "true"), "--enable-prefix-caching");
    let read = |args: &str| read_parameter(&container("vllm", args), &argument("enable-prefix-caching")).unwrap().value;
    assert_eq!(read("--no-enable-prefix-caching").as_deref(), Some("false"));
    assert_eq!(read("--enable-prefix-caching").as_deref(), Some("true"));
    assert_eq!(read("--port 1"), None);
}

#[test]
fn references_to_the_environment_are_read_through() {
    let mut view = container("vllm serve /m", "--max-num-seqs=$(SEQS) --port $(PORT) --seed $(NONE)");
    let variable = |name: &str, value: Option<&str>| EnvironmentVariable {
        name: name.to_owned(),
        value: value.map(ToOwned::to_owned),
    };
    view.container.environment = vec![variable("SEQS", Some("1")), variable("SEQS", Some("2")), variable("PORT", None)];
    let read = |flag: &str| read_parameter(&view, &argument(flag));
    assert_eq!(read("max-num-seqs").unwrap().value.as_deref(), Some("2"), "the last of a name decides");
    assert_eq!(read("port").unwrap_err().reason, BindingReason::UnresolvedReference);
    assert_eq!(
        read("seed").unwrap_err().to_string(),
        "UnresolvedReference: $(NONE) is not set to a value in the container"
    );
    let change = there_and_back(&view, &argument("max-num-seqs"), "64");
    assert_eq!(change.view.container.args[0], "--max-num-seqs=64");
}

#[test]
fn an_argument_list_that_is_not_known_whole_is_left_alone() {
    assert_eq!(refusal(&container("", ""), &argument("max-num-seqs")), BindingReason::ImageDecides);
    assert_eq!(
        refusal(&container("/start.sh", "--port 1"), &argument("max-num-seqs")),
        BindingReason::EntryPointIsScript
    );
    assert_eq!(refusal(&container("bash start", ""), &argument("max-num-seqs")), BindingReason::EntryPointIsScript);
    assert_eq!(refusal(&container("bash -c", ""), &argument("max-num-seqs")), BindingReason::EntryPointIsScript);
    assert_eq!(
        refusal(&container("sh run -cc.mode=3", "x"), &argument("max-num-seqs")),
        BindingReason::EntryPointIsScript
    );
    assert_eq!(refusal(&container("vllm", "--max-num-seqs"), &argument("max-num-seqs")), BindingReason::ValueMissing);
    let script = container("/start.sh", "--max-num-seqs 2");
    assert_eq!(
        changed_args(&script, "max-num-seqs", "64").1,
        "--max-num-seqs 64",
        "what a script was given is its own affair"
    );
}

#[test]
fn an_abbreviated_flag_is_refused_and_another_flag_is_none() {
    let abbreviated = container("vllm serve /m", "--max-num-seq 2");
    assert_eq!(
        read_parameter(&abbreviated, &argument("max-num-seqs")).unwrap_err().to_string(),
        "AbbreviatedFlag: --max-num-seq may stand for --max-num-seqs; write the flag in full"
    );
    assert_eq!(
        refusal(&container("vllm serve /m", "--max 2"), &argument("max-num-seqs")),
        BindingReason::AbbreviatedFlag
    );
    assert!(set_parameter(&container("vllm serve /m", "--ma 2"), &argument("max-num-seqs"), &value("1")).is_ok());
    assert!(set_parameter(&container("vllm", "--model m"), &argument("model-impl"), &value("auto")).is_ok());
    assert!(set_parameter(&container("vllm", "--block-size 16"), &argument("block-size-x"), &value("1")).is_ok());
}

#[test]
fn a_shell_command_is_edited_in_place() {
    for (script, changed, pre_image) in [
        (
            "exec vllm serve /m --max-num-seqs 2 --port 1",
            "exec vllm serve /m --max-num-seqs 64 --port 1",
            PreImage::Text("--max-num-seqs 2".to_owned()),
        ),
        (
            "sleep 1; A=1 /usr/bin/vllm serve /m \\\n  --max_num_seqs='2' \\\n  --port $PORT # why",
            "sleep 1; A=1 /usr/bin/vllm serve /m \\\n  --max_num_seqs=64 \\\n  --port $PORT # why",
            PreImage::Text("--max_num_seqs='2'".to_owned()),
        ),
        (
            "vllm serve /m --max-num-seqs \\\n \"2\" | tee log",
            "vllm serve /m --max-num-seqs \\\n 64 | tee log",
            PreImage::Text("--max-num-seqs \\\n \"2\"".to_owned()),
        ),
        (
            "python3 -m vllm.entrypoints.openai.api_server --model /m >log 2>&1",
            "python3 -m vllm.entrypoints.openai.api_server --model /m --max-num-seqs=64 >log 2>&1",
            PreImage::Absent,
        ),
        (
            "vllm serve \"$MODEL\" --port=$PORT",
            "vllm serve \"$MODEL\" --port=$PORT --max-num-seqs=64",
            PreImage::Absent,
        ),
    ] {
        let change = there_and_back(&shell(script), &argument("max-num-seqs"), "64");
        assert_eq!((change.view.container.args[0].as_str(), change.pre_image), (changed, pre_image));
        assert_eq!(change.place, Place::ShellCommand);
    }
    let change =
        there_and_back(&shell("vllm serve /m --enable-prefix-caching"), &argument("enable-prefix-caching"), "false");
    assert_eq!(change.view.container.args[0], "vllm serve /m --no-enable-prefix-caching");
}

#[test]
fn a_shell_command_is_found_behind_its_options() {
    let seen = |command: &[&str]| {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        let container = ContainerView { command, ..ContainerView::default() };
        let reading = read_parameter(&TargetView { container, ..TargetView::default() }, &argument("seed")).unwrap();
        (reading.value, reading.place)
    };
    let found = (Some("7".to_owned()), Place::ShellCommand);
    assert_eq!(seen(&["bash", "-c", "vllm serve /m --seed 7"]), found);
    assert_eq!(seen(&["/bin/bash", "-lc", "vllm serve /m --seed 7", "name", "--seed", "9"]), found);
    assert_eq!(seen(&["bash", "-euo", "pipefail", "-c", "vllm serve /m --seed 7"]), found);
    assert_eq!(seen(&["bash", "--norc", "-c", "vllm serve /m --seed 7"]), found);
    assert_eq!(seen(&["vllm", "-c", "vllm serve /m --seed 7"]), (None, Place::Args), "no shell");
}

#[test]
fn a_shell_command_that_is_not_certain_is_left_alone() {
    for (script, reason) in [
        ("vllm serve /m $EXTRA", BindingReason::ShellExpansion),
        ("vllm serve /m \"$@\"", BindingReason::ShellExpansion),
        ("vllm serve /m --max-num-seqs $SEQS", BindingReason::ShellExpansion),
        ("vllm serve /m --max-num-seqs=$SEQS", BindingReason::ShellExpansion),
        ("vllm serve /m --$FLAG 2", BindingReason::ShellExpansion),
        ("vllm serve /m --enforce-eager $EXTRA", BindingReason::ShellExpansion),
        ("vllm serve /m --max-num-seq 2", BindingReason::AbbreviatedFlag),
        ("vllm serve /m --max-num-seqs", BindingReason::ValueMissing),
        ("start-server --port 1", BindingReason::EngineCommandUnclear),
        ("vllm bench serve", BindingReason::EngineCommandUnclear),
        ("vllm serve /a & vllm serve /b", BindingReason::EngineCommandUnclear),
        ("vllm serve $(cat model)", BindingReason::UnsupportedShell),
    ] {
        assert_eq!(refusal(&shell(script), &argument("max-num-seqs")), reason, "{script}");
    }
    let quoted = set_parameter(&shell("vllm serve /m"), &argument("x"), &value("a b")).unwrap_err();
    assert_eq!(quoted.to_string(), "ValueNeedsQuoting: \"a b\" would have to be quoted in a shell command");
    assert_eq!(
        set_parameter(&shell("vllm serve /m"), &argument("x"), &value("")).unwrap_err().reason,
        BindingReason::ValueNeedsQuoting
    );
    assert!(set_parameter(&shell("vllm serve /m"), &argument("x"), &value("a_1.b,c:d/e+f-g")).is_ok());
}

#[test]
fn a_variable_is_set_where_it_stands_or_added() {
    let mut view = container("vllm", "");
    let variable = |name: &str, value: Option<&str>| EnvironmentVariable {
        name: name.to_owned(),
        value: value.map(ToOwned::to_owned),
    };
    view.container.environment =
        vec![variable("A", Some("1")), variable("B", Some("2")), variable("B", Some("3")), variable("SECRET", None)];
    let bound = |name: &str| Binding::Environment { variable: name.to_owned() };
    let change = there_and_back(&view, &bound("B"), "64");
    assert_eq!(change.view.container.environment[2], variable("B", Some("64")));
    assert_eq!((change.pre_image, change.place), (PreImage::Text("3".to_owned()), Place::EnvironmentVariable));
    let change = there_and_back(&view, &bound("NEW"), "64");
    assert_eq!(change.view.container.environment[4], variable("NEW", Some("64")));
    assert_eq!(change.pre_image, PreImage::Absent);
    assert_eq!(refusal(&view, &bound("SECRET")), BindingReason::ValueFromElsewhere);
    assert_eq!(
        set_parameter(&view, &bound("VLLM_SERVER_DEV_MODE"), &value("1")).unwrap_err().to_string(),
        "ForbiddenVariable: VLLM_SERVER_DEV_MODE is never set: it opens what must stay closed in production"
    );
}

fn with_file(key: &str, text: &str) -> TargetView {
    TargetView { config_map: [(key.to_owned(), text.to_owned())].into(), ..container("vllm serve", "--config /c") }
}

fn in_file(flag: &str) -> Binding {
    let format = ConfigMapFormat::EngineConfig { flag: ParameterName::new(flag) };
    Binding::ConfigMapKey { key: "engine.yaml".to_owned(), format }
}

#[test]
fn a_key_of_a_config_map_is_set_whole_or_by_its_line() {
    let plain = Binding::ConfigMapKey { key: "seqs".to_owned(), format: ConfigMapFormat::Plain };
    let change = there_and_back(&with_file("seqs", " 2\n"), &plain, "64");
    assert_eq!(change.view.config_map["seqs"], " 64\n", "what surrounds the value stays");
    assert_eq!((change.pre_image, change.place), (PreImage::Text(" 2\n".to_owned()), Place::ConfigMapKey));
    assert_eq!(there_and_back(&with_file("other", "x"), &plain, "64").pre_image, PreImage::Absent);
    assert_eq!(there_and_back(&with_file("seqs", "\n"), &plain, "64").view.config_map["seqs"], "64");
    let change = there_and_back(&with_file("engine.yaml", "max-num-seqs: 2 # few\n"), &in_file("max-num-seqs"), "64");
    assert_eq!(change.view.config_map["engine.yaml"], "max-num-seqs: 64 # few\n");
    assert_eq!(change.pre_image, PreImage::Text("2".to_owned()));
    let change = there_and_back(&with_file("engine.yaml", "port: 1\n"), &in_file("max-num-seqs"), "64");
    assert_eq!(
        (change.view.config_map["engine.yaml"].as_str(), change.pre_image),
        ("port: 1\nmax-num-seqs: 64\n", PreImage::Absent)
    );
}

#[test]
fn a_file_that_does_not_decide_is_left_alone() {
    assert_eq!(refusal(&with_file("other", ""), &in_file("max-num-seqs")), BindingReason::KeyMissing);
    assert_eq!(
        refusal(&with_file("engine.yaml", ""), &in_file("enable-prefix-caching")),
        BindingReason::SwitchInConfigFile
    );
    let mut shadowed = with_file("engine.yaml", "max-num-seqs: 2\n");
    shadowed.container.args.push("--max-num-seqs=8".to_owned());
    assert_eq!(refusal(&shadowed, &in_file("max-num-seqs")), BindingReason::ShadowedByArgument);
    shadowed.container = shell("vllm serve --config /c --max-num-seqs 8").container;
    assert_eq!(refusal(&shadowed, &in_file("max-num-seqs")), BindingReason::ShadowedByArgument);
    shadowed.container = shell("vllm serve --config /c").container;
    assert!(set_parameter(&shadowed, &in_file("max-num-seqs"), &value("64")).is_ok());
}

#[test]
fn a_field_keeps_its_type_and_is_set_back_as_it_was() {
    let view = |object: serde_json::Value| TargetView { object, ..TargetView::default() };
    let bound = |pointer: &str| Binding::FieldPath { pointer: pointer.to_owned() };
    let object = serde_json::json!({
        "spec": { "seqs": 2, "share": 0.9, "text": "2", "on": true, "none": null, "a/b~c": 1, "list": [1], "inner": {} }
    });
    let view = view(object);
    let set = |pointer: &str, text: &str| {
        let change = there_and_back(&view, &bound(pointer), text);
        assert_eq!(change.place, Place::Field);
        (change.view.object.pointer(pointer).cloned().unwrap(), change.pre_image)
    };
    let json = PreImage::Json;
    assert_eq!(set("/spec/seqs", "64"), (64.into(), json(2.into())));
    assert_eq!(set("/spec/share", "0.7"), (serde_json::json!(0.7), json(serde_json::json!(0.9))));
    assert_eq!(set("/spec/text", "64"), ("64".into(), json("2".into())));
    assert_eq!(set("/spec/on", "false"), (false.into(), json(true.into())));
    assert_eq!(set("/spec/on", "true"), (true.into(), json(true.into())));
    assert_eq!(set("/spec/none", "auto"), ("auto".into(), json(serde_json::Value::Null)));
    assert_eq!(set("/spec/new", "64"), (64.into(), PreImage::Absent));
    assert_eq!(set("/spec/a~1b~0c", "64"), (64.into(), json(1.into())));
    for (pointer, reason) in [
        ("spec", BindingReason::NoSuchField),
        ("/none/seqs", BindingReason::NoSuchField),
        ("/spec/list/0", BindingReason::NoSuchField),
        ("/spec/list", BindingReason::NotAScalar),
        ("/spec/inner", BindingReason::NotAScalar),
    ] {
        assert_eq!(refusal(&view, &bound(pointer)), reason, "{pointer}");
    }
}

#[test]
fn what_someone_else_changed_meanwhile_is_left_alone() {
    let view = container("vllm serve /m", "--max-num-seqs 2");
    let change = set_parameter(&view, &argument("max-num-seqs"), &value("64")).unwrap();
    let mut other = change.view.clone();
    other.container.args[1] = "65".to_owned();
    let back = |view: &TargetView| restore_parameter(view, &argument("max-num-seqs"), &value("64"), &change.pre_image);
    assert_eq!(back(&other).unwrap_err().to_string(), "ChangedByOthers: 65 stands there now, not the 64 that was set");
    other.container.args.clear();
    assert_eq!(
        back(&other).unwrap_err().to_string(),
        "ChangedByOthers: nothing stands there now, not the 64 that was set"
    );
    let mut more = change.view.clone();
    more.container.args.insert(0, "--port=1".to_owned());
    assert_eq!(back(&more).unwrap().container.args, words("--port=1 --max-num-seqs 2"), "other changes stay");
}

#[test]
fn a_flag_that_someone_spelled_otherwise_is_still_set_back() {
    let flag = argument("max-num-seqs");
    let back = |command: &str, args: &str, pre_image: &PreImage| {
        let restored = restore_parameter(&container(command, args), &flag, &value("64"), pre_image);
        restored.map(|view| (view.container.command.join(" "), view.container.args.join(" ")))
    };
    let at = |command: &str, args: &str| Ok((command.to_owned(), args.to_owned()));
    let pair = elements("--max-num-seqs 2");
    assert_eq!(
        back("vllm", "--port=1 --max-num-seqs=64 --seed=0", &pair),
        at("vllm", "--port=1 --max-num-seqs 2 --seed=0")
    );
    assert_eq!(back("vllm --max-num-seqs=64 x", "--port=1", &pair), at("vllm --max-num-seqs 2 x", "--port=1"));
    assert_eq!(
        back("vllm", "--max-num-seqs 64 --seed=0", &elements("--max_num_seqs=2")),
        at("vllm", "--max_num_seqs=2 --seed=0")
    );
    assert_eq!(back("vllm --max-num-seqs 64", "x", &PreImage::Absent), at("vllm", "x"));
    assert_eq!(back("vllm x --max-num-seqs", "64 y", &pair), at("vllm x --max-num-seqs", "2 y"));
    assert_eq!(
        back("vllm --max-num-seqs", "64", &PreImage::Absent).unwrap_err().to_string(),
        "ChangedByOthers: the flag stands in command and its value in args, which was otherwise when it was set"
    );
}

#[test]
fn an_added_flag_is_taken_out_of_a_shell_command_that_was_laid_out_anew() {
    let back = |script: &str| {
        let view =
            restore_parameter(&shell(script), &argument("max-num-seqs"), &value("64"), &PreImage::Absent).unwrap();
        view.container.args[0].clone()
    };
    assert_eq!(back("vllm serve /m --max-num-seqs=64 --port 1"), "vllm serve /m --port 1");
    assert_eq!(back("vllm serve /m \\\n--max-num-seqs=64 \\\n --port 1"), "vllm serve /m \\\n \\\n --port 1");
}

fn any_argument() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("--port=8000".to_owned()),
        Just("--enforce-eager".to_owned()),
        Just("/models/a".to_owned()),
        Just("--seed".to_owned()),
        Just("--max_num_seqs=4".to_owned()),
        Just("--max-num-seqs=8".to_owned()),
    ]
}

proptest! {
    #[test]
    fn whatever_the_arguments_set_and_restored_is_the_same(
        command in proptest::collection::vec(any_argument(), 0..4),
        args in proptest::collection::vec(any_argument(), 0..4),
    ) {
        let command = ["vllm".to_owned()].into_iter().chain(command).collect();
        let container = ContainerView { command, args, environment: Vec::new() };
        let view = TargetView { container, ..TargetView::default() };
        there_and_back(&view, &argument("max-num-seqs"), "64");
    }

    #[test]
    fn whatever_the_shell_command_set_and_restored_is_the_same(
        before in "(exec |A=1 |cd /x && )?",
        words in proptest::collection::vec("( |  | \\\\\n )(--port 1|--max-num-seqs (4|'4'|\"4\")|--max_num_seqs=4|-O3)", 0..5),
        after in "( >log)?( # x'y)?",
    ) {
        let script = format!("{before}vllm serve /m{}{after}", words.concat());
        there_and_back(&shell(&script), &argument("max-num-seqs"), "64");
    }
}

#[test]
fn a_flag_that_is_never_tuned_is_refused_wherever_it_would_be_set() {
    let argument = |flag: &str| Binding::Argument { flag: ParameterName::new(flag) };
    let in_file = Binding::ConfigMapKey {
        key: "config.yaml".to_owned(),
        format: ConfigMapFormat::EngineConfig { flag: ParameterName::new("trust_remote_code") },
    };
    let view = TargetView::default();
    let spellings = ["--trust-remote-code", "--no-trust-remote-code", "--trust-remote", "hf-overrides.x", "model"];
    for binding in spellings.map(argument).into_iter().chain([in_file]) {
        let refusal = set_parameter(&view, &binding, &ParameterValue::from("true")).unwrap_err();
        assert_eq!(refusal.reason, BindingReason::ForbiddenFlag, "{binding:?}");
    }
    let refusal = set_parameter(&view, &argument("max-num-seqs"), &ParameterValue::from("8")).map(|_| ());
    assert_ne!(refusal.map_err(|error| error.reason), Err(BindingReason::ForbiddenFlag));
}

#[test]
fn the_words_of_an_engine_are_those_of_its_command_or_of_the_shells_one_command() {
    let view = |command: &[&str], args: &[&str]| ContainerView {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        args: args.iter().map(|word| (*word).to_owned()).collect(),
        environment: vec![
            EnvironmentVariable { name: "PORT".to_owned(), value: Some("8001".to_owned()) },
            EnvironmentVariable { name: "KEY".to_owned(), value: None },
        ],
    };
    for (command, args, expected) in [
        (&["vllm", "serve"][..], &["m", "--port", "$(PORT)"][..], "vllm serve m --port 8001"),
        (&[], &["--port=$(PORT)", "--api-key=$(KEY)"], "--port=8001 --api-key=$(KEY)"),
        (&[], &["$$(PORT)", "$(PORT", "$(A)$(PORT)"], "$$(PORT) $(PORT $(A)8001"),
        (&["sh", "-c"], &["sleep 1; exec vllm serve m --port 9 > log"], "exec vllm serve m --port 9"),
    ] {
        assert_eq!(engine_arguments(&view(command, args)).unwrap().join(" "), expected);
    }
    let unclear = engine_arguments(&view(&["sh", "-c", "true"], &[])).unwrap_err();
    assert_eq!(unclear.reason, BindingReason::EngineCommandUnclear);
}
