//! The program itself: its arguments, its environment, SIGTERM, and its exit code.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use stand_in_engine::environment::MEMORY_GIB;

fn program(environment: &[(&str, &str)]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_stand-in-engine"))
        .args(["serve", "/models/tiny", "--host", "127.0.0.1", "--port", "0"])
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn sigterm_ends_the_program_with_exit_code_zero_and_the_recorded_words() {
    let mut program = program(&[]);
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("Application startup complete.")));
    assert!(Command::new("kill").arg(program.id().to_string()).status().unwrap().success());
    let rest: Vec<String> = lines.collect();
    assert!(rest.iter().any(|line| line.contains("[shutdown] API server: shutdown triggered")), "{rest:?}");
    assert_eq!(program.wait().unwrap().code(), Some(0));
}

#[test]
fn the_environment_and_the_exit_code_are_the_processs() {
    let mut small = program(&[(MEMORY_GIB, "1")]);
    let lines: Vec<String> = BufReader::new(small.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    assert!(lines.iter().any(|line| line.contains("Engine core initialization failed.")));
    assert_eq!(small.wait().unwrap().code(), Some(1));
}
