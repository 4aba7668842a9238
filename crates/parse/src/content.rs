//! A site's own definitions: folders with a `parser.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::LoadError;

/// Reads every `FOLDER/NAME` into `texts`, over what is there. A folder that does not exist is empty.
pub(crate) fn read(
    folder: &Path,
    name: &str,
    texts: &mut BTreeMap<String, String>,
) -> Result<(), LoadError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(folder, error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(folder, error))?;
        let file = entry.path().join(name);
        let product = entry.file_name().to_string_lossy().into_owned();
        match fs::read_to_string(&file) {
            Ok(text) => {
                texts.insert(product, text);
            }
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) => {}
            Err(error) => return Err(unreadable(&file, error)),
        }
    }
    Ok(())
}

pub(crate) fn unreadable(path: &Path, source: std::io::Error) -> LoadError {
    LoadError::Read {
        path: path.display().to_string(),
        source,
    }
}
