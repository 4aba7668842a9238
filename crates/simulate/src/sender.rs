//! Syslog over real sockets, each device from a loopback address of its own.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};

use socket2::{Domain, Socket, Type};

use crate::mix::{Device, Line};

/// How lines go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A datagram a line.
    Udp,
    /// Octet counting on one connection a device.
    Tcp,
}

/// Why a line did not go out.
#[derive(Debug)]
pub struct SendError {
    /// Whose line.
    pub device: Device,
    /// Where it should have gone.
    pub to: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

impl std::fmt::Display for SendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { device, to, .. } = self;
        write!(
            f,
            "{device:?} cannot send syslog to {to}: check that a listener is bound there"
        )
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Sends the lines of all devices to one listener.
#[derive(Debug)]
pub struct Sender {
    to: SocketAddr,
    protocol: Protocol,
    udp: BTreeMap<Device, UdpSocket>,
    tcp: BTreeMap<Device, BufWriter<TcpStream>>,
}

impl Sender {
    /// A sender to that listener; sockets are opened when a device first speaks.
    #[must_use]
    pub fn new(to: SocketAddr, protocol: Protocol) -> Self {
        Self {
            to,
            protocol,
            udp: BTreeMap::new(),
            tcp: BTreeMap::new(),
        }
    }

    /// Sends one line. Over TCP it may wait in a buffer until [`Sender::flush`].
    ///
    /// # Errors
    /// The socket could not be opened or written.
    pub fn send(&mut self, line: &Line) -> Result<(), SendError> {
        let (device, to) = (line.device, self.to);
        let sent = match self.protocol {
            Protocol::Udp => self.send_datagram(line),
            Protocol::Tcp => self.send_frame(line),
        };
        sent.map_err(|source| SendError { device, to, source })
    }

    /// Hands what waits in buffers to the network.
    ///
    /// # Errors
    /// A connection could not be written.
    pub fn flush(&mut self) -> Result<(), SendError> {
        for (device, connection) in &mut self.tcp {
            connection.flush().map_err(|source| SendError {
                device: *device,
                to: self.to,
                source,
            })?;
        }
        Ok(())
    }

    fn send_datagram(&mut self, line: &Line) -> io::Result<()> {
        let socket = match self.udp.entry(line.device) {
            std::collections::btree_map::Entry::Occupied(open) => open.into_mut(),
            std::collections::btree_map::Entry::Vacant(none) => {
                let any: IpAddr = if self.to.is_ipv4() {
                    Ipv4Addr::UNSPECIFIED.into()
                } else {
                    Ipv6Addr::UNSPECIFIED.into()
                };
                let local = local_address(line.device, self.to).map_or(any, IpAddr::from);
                let socket = UdpSocket::bind((local, 0))?;
                socket.connect(self.to)?;
                none.insert(socket)
            }
        };
        socket.send(line.text.as_bytes()).map(drop)
    }

    fn send_frame(&mut self, line: &Line) -> io::Result<()> {
        let connection = match self.tcp.entry(line.device) {
            std::collections::btree_map::Entry::Occupied(open) => open.into_mut(),
            std::collections::btree_map::Entry::Vacant(none) => {
                let socket = Socket::new(Domain::for_address(self.to), Type::STREAM, None)?;
                if let Some(local) = local_address(line.device, self.to) {
                    socket.bind(&SocketAddr::from((local, 0)).into())?;
                }
                socket.connect(&self.to.into())?;
                none.insert(BufWriter::with_capacity(1 << 16, socket.into()))
            }
        };
        write!(connection, "{} {}", line.text.len(), line.text)
    }
}

/// The device's own loopback address, where the listener is on loopback.
fn local_address(device: Device, to: SocketAddr) -> Option<Ipv4Addr> {
    (to.ip().is_loopback() && to.is_ipv4()).then(|| device.address())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_is_a_peer_of_its_own() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut sender = Sender::new(receiver.local_addr().unwrap(), Protocol::Udp);
        for device in [Device::Asa, Device::Server(3)] {
            sender
                .send(&Line {
                    device,
                    text: "<13>a".to_owned(),
                })
                .unwrap();
            let mut buffer = [0; 16];
            let (length, peer) = receiver.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"<13>a");
            assert_eq!(peer.ip(), device.address());
        }
    }
}
