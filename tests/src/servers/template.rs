//! Servers that are installed once and copied per test.
//!
//! A template is a folder below the build's temporary folder. Tests run as parallel processes, so making one is guarded by a file lock, and
//! it is made beside its place and renamed into it: a template is whole or absent. Its name carries the server's version and the number of
//! the recipe that made it, so that an upgrade of either makes a new one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The folder of the template `name`, made by `make` (which gets an empty folder) unless it is there already. Blocks while another process
/// makes it.
///
/// # Errors
/// Whatever `make` says, or [`Error::Io`].
pub fn template(name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let home = template_home();
    fs::create_dir_all(&home).map_err(Error::io(format!("creating {}", home.display())))?;
    let place = home.join(name);
    let lock_path = home.join(format!("{name}.lock"));
    let lock = fs::File::create(&lock_path).map_err(Error::io(format!("creating {}", lock_path.display())))?;
    lock.lock().map_err(Error::io(format!("locking {}", lock_path.display())))?;
    if !place.is_dir() {
        let building = home.join(format!("{name}.building"));
        // Left over from a process that died while making it; the lock says nobody is at it now.
        let _ = fs::remove_dir_all(&building);
        fs::create_dir_all(&building).map_err(Error::io(format!("creating {}", building.display())))?;
        make(&building)?;
        fs::rename(&building, &place).map_err(Error::io(format!("renaming {}", building.display())))?;
    }
    Ok(place)
}

/// Copies a folder with everything in it.
///
/// # Errors
/// [`Error::Io`] with the path that failed.
pub fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(Error::io(format!("creating {}", to.display())))?;
    for entry in fs::read_dir(from).map_err(Error::io(format!("listing {}", from.display())))? {
        let entry = entry.map_err(Error::io(format!("listing {}", from.display())))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_folder(&source, &target)?;
        } else {
            fs::copy(&source, &target).map_err(Error::io(format!("copying {}", source.display())))?;
        }
    }
    Ok(())
}

/// `tmp/server-templates` of the build's target folder (cargo marks that with `CACHEDIR.TAG`), else of the system's temporary folder.
fn template_home() -> PathBuf {
    let of_cargo = std::env::var_os("CARGO_TARGET_TMPDIR").map(PathBuf::from);
    let of_this_program = || {
        let program = std::env::current_exe().ok()?;
        program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).map(|target| target.join("tmp"))
    };
    of_cargo.or_else(of_this_program).unwrap_or_else(std::env::temp_dir).join("server-templates")
}
