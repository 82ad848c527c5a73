//! When an upload is finished, and when nobody waits for it any more.

use super::Csv;
use super::fault::Fault;
use super::files::{File, milliseconds};
use crate::hash::hash;
use crate::problem::Problems;
use crate::section::Section;
use crate::yaml::Node;

/// How one knows that an upload is finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Complete {
    /// It was not modified for so many milliseconds.
    Quiet(i64),
    /// There is a file of this name, `{name}` and `{stem}` being the upload's, and it is no older.
    Marker(String),
    /// Its last line is this.
    Trailer(String),
}

/// Milliseconds without a change where the mapping says nothing.
const QUIET_SECONDS: u32 = 30;

impl Complete {
    pub(crate) fn read(node: Option<&Node>, problems: &Problems) -> Option<Self> {
        let Some(node) = node else { return Some(Self::Quiet(i64::from(QUIET_SECONDS) * 1000)) };
        let section = Section::open(node, "`complete`", &["quiet-seconds", "marker", "trailer"], problems)?;
        let said = ["quiet-seconds", "marker", "trailer"].into_iter().filter(|key| section.get(key).is_some()).count();
        if said != 1 {
            problems.add(section.line(), "`complete` says one thing: quiet-seconds, marker or trailer");
            return None;
        }
        if let Some(marker) = section.text("marker") {
            let is_of_the_file = marker.contains("{name}") || marker.contains("{stem}");
            if !is_of_the_file || marker.contains(['/', '\\']) || marker == "{name}" {
                problems.add(section.line(), "`marker` is another file's name in the same folder, with {name} or {stem} for the upload's");
            }
            return Some(Self::Marker(marker.to_owned()));
        }
        if let Some(trailer) = section.text("trailer") {
            if trailer.contains(['\n', '\r']) || trailer.trim() != trailer || !trailer.is_ascii() {
                problems.add(section.line(), "`trailer` is the whole last line, of ASCII letters and without blanks around it");
            }
            return Some(Self::Trailer(trailer.to_owned()));
        }
        section.get("quiet-seconds")?;
        Some(Self::Quiet(i64::from(section.number("quiet-seconds", 0, 86_400, QUIET_SECONDS)) * 1000))
    }

    /// The line that ends every file.
    pub(crate) fn trailer(&self) -> Option<&str> {
        match self {
            Self::Trailer(trailer) => Some(trailer),
            Self::Quiet(_) | Self::Marker(_) => None,
        }
    }

    /// Whether somebody says of a file that there is no more of it.
    pub(crate) fn is_marked(&self) -> bool {
        matches!(self, Self::Marker(_))
    }

    /// The marker's time, where there is a marker.
    fn marked_at(&self, file: &File) -> Option<i64> {
        let Self::Marker(pattern) = self else { return None };
        let stem = file.name.rsplit_once('.').map_or(file.name.as_str(), |(stem, _)| stem);
        let marker = file.path.with_file_name(pattern.replace("{name}", &file.name).replace("{stem}", stem));
        let metadata = std::fs::metadata(marker).ok().filter(std::fs::Metadata::is_file)?;
        Some(milliseconds(metadata.modified().ok()))
    }
}

/// Whether one may begin to read it, by what is seen from outside. `age` is how long it has been as it is, in milliseconds.
pub(crate) fn is_finished(csv: &Csv, file: &File, age: i64) -> Result<(), Fault> {
    match &csv.complete {
        Complete::Trailer(_) => Ok(()),
        Complete::Quiet(quiet) if age >= *quiet => Ok(()),
        Complete::Quiet(quiet) => Err(Fault::Incomplete(format!("it must be unchanged for {} seconds", quiet / 1000))),
        Complete::Marker(_) => match csv.complete.marked_at(file) {
            Some(at) if at >= file.modified => Ok(()),
            Some(_) => Err(Fault::Incomplete("its marker is older than the file".into())),
            None => Err(Fault::Incomplete("its marker is not there".into())),
        },
    }
}

/// The stamp of a file that is given up: a marker that comes late makes it another one.
pub(crate) fn given_up_stamp(csv: &Csv, file: &File) -> u64 {
    match csv.complete.marked_at(file) {
        Some(at) => hash([file.stamp.to_string().as_str(), &at.to_string()]),
        None => file.stamp ^ u64::from(matches!(csv.complete, Complete::Marker(_))),
    }
}
