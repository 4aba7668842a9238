//! Realistic traffic and attacks, for the demo, the benches and the tests: the same bytes for the same seed.
//!
//! [`Mix`] makes the everyday traffic of a small agency: 40 % FortiGate traffic, 20 % sshd, 20 % Cisco ASA, 10 % nginx
//! access and 10 % systemd-logind, about 250 bytes a line, with thousands of addresses and random ports and session
//! numbers. [`scenario::all`] tells what an attacker, a careless administrator and a broken device add to it.
//! [`Sender`] speaks syslog over real sockets, each device from a loopback address of its own.
//!
//! Not here: parsing, or any knowledge of what the product makes of these lines.
//!
//! ```
//! use event::Micros;
//! use simulate::Mix;
//!
//! let mut one = Mix::new(7);
//! let mut other = Mix::new(7);
//! let at = Micros(1_790_000_000_000_000);
//! for _ in 0..100 {
//!     let line = one.line(at);
//!     assert_eq!(line, other.line(at));
//!     assert!(line.text.starts_with('<'));
//! }
//! ```

mod mix;
mod random;
pub mod scenario;
mod sender;
mod stamp;

pub use mix::{Device, Line, Mix};
pub use random::Random;
pub use sender::{Protocol, SendError, Sender};
