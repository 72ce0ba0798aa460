//! What the image holds, without a container engine: it is packed as the test cluster gets it, and unpacked again.
//!
//! **What lives here**: the content of the packed image beside the Dockerfile, and what the program needs of a C library.
//!
//! **What must not**: the Dockerfile's own rules (`tests/tidy`), and containers that run (`tests/real_cluster`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also where it is no function marked as a test"
)]

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_phaseloop");
/// The newest glibc that may be needed: `phaseloop guard` runs in the images of engines, beside their C library.
const GLIBC_MAX: (u32, u32) = (2, 34);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn own_program() -> PathBuf {
    std::env::current_exe().unwrap()
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A folder of one test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("image-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn unpack(&self, archive: &str, folder: &str) -> PathBuf {
        let into = self.0.join(folder);
        fs::create_dir_all(&into).unwrap();
        run(Command::new("tar").arg("-xf").arg(self.0.join(archive)).arg("-C").arg(&into));
        into
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

/// An image's configuration, its reference, and its root file system. It is packed with this very test as the program: much
/// smaller than one that is built for debugging, and linked alike.
fn packed(folder: &Folder, name: &str) -> (Value, String, PathBuf) {
    let archive = folder.0.join("image.tar");
    let script = root().join("tests/cluster/make-program-image");
    let said = run(Command::new(script).arg(name).arg(own_program()).arg(&archive)).stdout;
    assert!(String::from_utf8_lossy(&said).starts_with(&format!("localhost/phaseloop-test/{name}:1 is ")));
    let image = folder.unpack("image.tar", "image");
    let read = |file: &str| serde_json::from_str::<Value>(&fs::read_to_string(image.join(file)).unwrap()).unwrap();
    let reference = read("manifest.json")[0]["RepoTags"][0].as_str().unwrap().to_owned();
    (read("config.json")["config"].clone(), reference, folder.unpack("image/layer.tar", "root"))
}

/// What the Dockerfile's last stage says.
fn of_dockerfile(instruction: &str) -> String {
    let text = fs::read_to_string(root().join("Dockerfile")).unwrap();
    let (_, last) = text.rsplit_once("\nFROM ").unwrap();
    last.lines().find_map(|line| line.strip_prefix(instruction)?.strip_prefix(' ')).unwrap().to_owned()
}

#[test]
fn the_packed_image_is_the_dockerfiles() {
    let folder = Folder::new("dockerfile");
    let (config, reference, root) = packed(&folder, "phaseloop");
    assert_eq!(reference, "localhost/phaseloop-test/phaseloop:1");
    let entry: Value = serde_json::from_str(&of_dockerfile("ENTRYPOINT")).unwrap();
    let expected = json!({"User": of_dockerfile("USER"), "Env": [of_dockerfile("ENV")], "Entrypoint": entry});
    assert_eq!(config, expected);
    let program = root.join(entry[0].as_str().unwrap().trim_start_matches('/'));
    assert_eq!(fs::metadata(&program).unwrap().len(), fs::metadata(own_program()).unwrap().len());
    assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o777, 0o755);
    let (user, _) =
        of_dockerfile("USER").split_once(':').map(|(user, group)| (user.to_owned(), group.to_owned())).unwrap();
    let users = fs::read_to_string(root.join("etc/passwd")).unwrap();
    assert!(users.contains(&format!("phaseloop:x:{user}:{user}:")), "{users}");
    let certificates = fs::read_to_string(root.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert!(certificates.contains("BEGIN CERTIFICATE"));
    let shells = ["bin/sh", "usr/bin/sh", "bin/bash"];
    assert!(shells.iter().all(|shell| !root.join(shell).exists()), "no shell is in it");
}

#[test]
fn each_library_that_the_program_is_linked_to_is_in_the_image_where_it_is_looked_for() {
    let folder = Folder::new("libraries");
    let image = folder.0.join("root");
    run(Command::new(root().join("image/lay-out")).arg(PROGRAM).arg(&image));
    let listed = String::from_utf8(run(Command::new("ldd").arg(PROGRAM)).stdout).unwrap();
    let libraries: Vec<&str> =
        listed.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/'))).collect();
    assert!(libraries.iter().any(|path| path.ends_with("/libc.so.6")), "{listed}");
    for library in &libraries {
        assert!(image.join(library.trim_start_matches('/')).is_file(), "{library} is not in the image");
    }
    // In its own root: what is not in the image is not found. Only where this user may make a namespace.
    let inside = |words: &[&str]| {
        Command::new("unshare").args(["--user", "--map-root-user", "chroot"]).arg(&image).args(words).output()
    };
    let version = inside(&["/usr/bin/phaseloop", "--version"]);
    match version {
        Ok(output) if output.status.success() => {
            let expected = format!("phaseloop {}\n", env!("CARGO_PKG_VERSION"));
            assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
        }
        other => {
            let said = format!("NOT RUN: the program in its image's root: {other:?}\n");
            std::io::stderr().write_all(said.as_bytes()).unwrap();
        }
    }
}

#[test]
fn the_engines_image_starts_what_is_called_vllm() {
    let folder = Folder::new("engine");
    let (config, reference, root) = packed(&folder, "vllm");
    assert_eq!(reference, "localhost/phaseloop-test/vllm:1");
    assert_eq!(config["Entrypoint"], json!(["vllm", "serve"]));
    assert!(root.join("usr/bin/vllm").is_file(), "and PATH has its folder");
    assert_eq!(config["Env"], json!(["PATH=/usr/bin"]));
}

/// The versions of glibc that are named in a program: by what it needs of it, each function under its version.
fn glibc_versions(program: &Path) -> Vec<(u32, u32)> {
    let named = run(Command::new("grep").args(["-aoE", "GLIBC_[0-9]+\\.[0-9]+"]).arg(program)).stdout;
    let version = |line: &str| {
        let (major, minor) = line.strip_prefix("GLIBC_")?.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    String::from_utf8_lossy(&named).lines().map(|line| version(line).unwrap()).collect()
}

#[test]
fn the_program_needs_no_newer_c_library_than_engines_have() {
    let newest = glibc_versions(Path::new(PROGRAM)).into_iter().max().expect("it is linked to glibc");
    assert!(
        newest <= GLIBC_MAX,
        "it needs glibc {newest:?}; {GLIBC_MAX:?} is the newest that every engine's image has"
    );
}

#[test]
fn the_newest_version_that_is_named_counts() {
    let folder = Folder::new("versions");
    let program = folder.0.join("program");
    fs::write(&program, b"\x7fELF a\0GLIBC_2.2.5\0GLIBC_PRIVATE\0GLIBC_2.36\0").unwrap();
    assert_eq!(glibc_versions(&program), [(2, 2), (2, 36)]);
}
