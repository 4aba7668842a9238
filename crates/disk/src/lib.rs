//! Files as the journal needs them: [`RealDisk`] in life, [`SimDisk`] in tests, where power fails and bits rot.
//!
//! [`Disk`] and [`File`] are the few calls that durable code is made of; whoever takes an `Arc<dyn Disk>` can be tested
//! against every order in which a machine may lose what was not yet synced. Beside them: [`replace`], the one way to
//! change a small file as a whole, [`create_dir_durable`], and [`Capped`], a reader that refuses to give more than a
//! limit. Not here: locks, memory maps, anything asynchronous.
//!
//! ```
//! use std::path::Path;
//!
//! use disk::{Access, Disk, SimDisk};
//!
//! let disk = SimDisk::new(7);
//! disk.create_dir(Path::new("/data"))?;
//! disk::replace(&disk, Path::new("/data/state"), b"durable")?;
//!
//! let file = disk.open(Path::new("/data/log"), Access::CreateNew)?;
//! file.write_at(b"never synced", 0)?;
//! disk.cut_power();
//! disk.restart();
//!
//! assert_eq!(disk::read(&disk, Path::new("/data/state"), 1024)?, b"durable");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Always true: what was written before a [`File::sync_data`] that returned `Ok` survives, and so do the names that a
//! [`Disk::sync_dir`] covered; of everything else any part may be gone after a crash.
#![warn(clippy::indexing_slicing)]
#![warn(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

mod capped;
mod real;
mod sim;
mod sim_random;
mod sim_state;
mod traits;
mod whole;

pub use capped::Capped;
pub use real::RealDisk;
pub use sim::{Faults, SimDisk};
pub use sim_random::SimRandom;
pub use traits::{Access, Disk, Entry, EntryKind, File};
pub use whole::{create_dir_durable, read, replace};
