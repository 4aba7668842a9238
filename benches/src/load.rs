//! Sends the bench mix over real sockets.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use event::{Clock as _, SystemClock};
use simulate::Mix;

/// Lines with octet counting (RFC 6587), one after another, and how many bytes of them are not framing.
#[derive(Debug)]
pub(crate) struct Frames {
    pub(crate) bytes: Vec<u8>,
    pub(crate) raw_bytes: u64,
}

/// So many lines of the mix that belongs to the seed, 20,000 of them to each second from now.
pub(crate) fn frames(seed: u64, lines: u64) -> Frames {
    let mut mix = Mix::new(seed);
    let now = SystemClock::new().now();
    let (mut bytes, mut text, mut raw_bytes) = (Vec::new(), String::new(), 0);
    for line in 0..lines {
        text.clear();
        mix.write(now.after(Duration::from_micros(line * 50)), &mut text);
        raw_bytes += text.len() as u64;
        bytes.extend_from_slice(text.len().to_string().as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(text.as_bytes());
    }
    Frames { bytes, raw_bytes }
}

/// Sends the frames over one TCP connection, as fast as they are taken.
pub(crate) fn send_tcp(to: SocketAddr, frames: &Frames) -> Result<()> {
    let mut connection = TcpStream::connect(to)?;
    connection.write_all(&frames.bytes)?;
    Ok(connection.flush()?)
}

/// Sends so many lines a second over one TCP connection, until it is told to stop; gives how many it sent.
pub(crate) fn send_steadily(to: SocketAddr, per_second: u64, stop: &AtomicBool) -> Result<u64> {
    const TICKS: u64 = 50;
    let mut connection = TcpStream::connect(to)?;
    let (start, mut sent) = (Instant::now(), 0);
    for tick in 1_u32.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let lines = per_second / TICKS;
        connection.write_all(&frames(u64::from(tick), lines).bytes)?;
        sent += lines;
        let due = start + Duration::from_secs(1) / 50 * tick;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    connection.flush()?;
    Ok(sent)
}

/// Sends so many datagrams, spread evenly over a second, from eight sockets.
pub(crate) fn burst_udp(to: SocketAddr, datagrams: u64) -> Result<()> {
    let sockets = (0..8)
        .map(|_| {
            UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.connect(to).map(|()| socket))
        })
        .collect::<std::io::Result<Vec<_>>>()?;
    let mut mix = Mix::new(99);
    let now = SystemClock::new().now();
    let lines: Vec<_> = (0..4096).map(|_| mix.line(now).text).collect();
    let start = Instant::now();
    let turns = sockets.iter().cycle().zip(lines.iter().cycle());
    for (sent, (socket, line)) in (0..datagrams).zip(turns) {
        if sent % 1024 == 0 {
            let due = Duration::from_nanos(1_000_000_000 * sent / datagrams);
            std::thread::sleep(due.saturating_sub(start.elapsed()));
        }
        socket.send(line.as_bytes())?;
    }
    Ok(())
}
