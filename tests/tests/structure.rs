//! What is true of the source itself.

use std::path::{Path, PathBuf};

/// What is special about a platform is in its connector.
#[test]
fn no_platform_is_named_in_the_host() {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../host"), &mut files);
    assert!(files.len() > 100, "the host's files were found");
    let mut named = Vec::new();
    for file in files {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).to_lowercase();
        for platform in ["facebook", "twitter", "linkedin", "mediawiki", "tryton"] {
            if text.contains(platform) {
                named.push(format!("{}: {platform}", file.display()));
            }
        }
    }
    assert!(named.is_empty(), "platforms belong into connectors:\n{}", named.join("\n"));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
