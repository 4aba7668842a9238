//! Small files and folders, as wholes.

use std::io;
use std::path::Path;

use crate::traits::{Access, Disk};

/// Gives a file new content, durably and atomically: after a crash it holds the old bytes or the new, whole.
///
/// Writes `PATH.tmp`, syncs it, renames it over `path`, syncs the folder. The folder must exist.
///
/// # Errors
/// As the disk gives them; the old content may or may not still be there then, but never a mixture.
pub fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut temporary_name = name.to_os_string();
    temporary_name.push(".tmp");
    let temporary = parent.join(temporary_name);
    match disk.remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.open(&temporary, Access::CreateNew)?;
    file.write_at(bytes, 0)?;
    file.sync_data()?;
    disk.rename(&temporary, path)?;
    disk.sync_dir(parent)
}

/// Reads a whole file that is expected to be small.
///
/// # Errors
/// As the disk gives them, and `FileTooLarge` where it has more than `limit` bytes.
pub fn read(disk: &dyn Disk, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Access::Read)?;
    let len = usize::try_from(file.len()?).unwrap_or(usize::MAX);
    if len > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Creates a directory and the missing ones above it, and makes their names durable.
///
/// # Errors
/// As the disk gives them.
pub fn create_dir_durable(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    let mut at = path;
    while !at.as_os_str().is_empty() {
        match disk.list(at) {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(at),
            Err(error) => return Err(error),
        }
        match at.parent() {
            Some(parent) => at = parent,
            None => break,
        }
    }
    for dir in missing.into_iter().rev() {
        disk.create_dir(dir)?;
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        disk.sync_dir(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SimDisk;

    #[test]
    fn a_replaced_file_is_old_or_new_whenever_the_power_fails() {
        for seed in 0..200 {
            let disk = SimDisk::new(seed);
            create_dir_durable(&disk, Path::new("/a/b")).unwrap();
            let path = Path::new("/a/b/state");
            replace(&disk, path, &[1; 2000]).unwrap();
            disk.cut_power_after(seed % 8);
            let replaced = replace(&disk, path, &[2; 3000]).is_ok();
            disk.cut_power();
            disk.restart();
            let bytes = read(&disk, path, 10_000).unwrap();
            assert!(
                bytes == [2; 3000] || (!replaced && bytes == [1; 2000]),
                "seed {seed}"
            );
        }
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let disk = SimDisk::new(1);
        create_dir_durable(&disk, Path::new("/a")).unwrap();
        replace(&disk, Path::new("/a/x"), &[0; 11]).unwrap();
        let error = read(&disk, Path::new("/a/x"), 10).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
