//! Lists the folders of `parsers/`, so that every definition in them is part of the program.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    let root =
        Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../parsers");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut names: Vec<String> = fs::read_dir(&root)
        .expect("parsers/ is part of the repository")
        .filter_map(|entry| {
            entry
                .expect("a readable folder")
                .file_name()
                .into_string()
                .ok()
        })
        .filter(|name| root.join(name).join("parser.toml").is_file())
        .collect();
    names.sort();
    let mut code = String::new();
    for (constant, meaning, file) in [
        ("BUILTIN", "definition", "parser.toml"),
        ("ENABLING", "`enable.toml`", "enable.toml"),
    ] {
        writeln!(
            code,
            "/// Folder and text of every {meaning}, in the order of their names.\n\
             pub(crate) const {constant}: &[(&str, &str)] = &["
        )
        .expect("writing to a string");
        for name in &names {
            if let Ok(path) = root.join(name).join(file).canonicalize() {
                writeln!(code, "    ({name:?}, include_str!({path:?})),")
                    .expect("writing to a string");
            }
        }
        code.push_str("];\n");
    }
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("builtin.rs");
    fs::write(out, code).expect("the output folder is writable");
}
