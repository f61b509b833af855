//! Ports of this host that lead to a machine.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

use super::{Class, Diagnostic, Error, Publish, Sources, codes};

/// Reads `[ADDRESS:]PORT[:GUEST_PORT]`; the address is this host's loopback unless another one is written.
///
/// # Errors
/// What was expected, in a few words.
pub fn parse(text: &str) -> Result<Publish, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("`{text}` is no port: a number from 1 to 65535")),
    };
    let address = |text: &str| text.parse::<Ipv4Addr>().map_err(|_| format!("`{text}` is no IPv4 address"));
    match parts[..] {
        [both] => Ok(Publish { address: Ipv4Addr::LOCALHOST, port: port(both)?, guest: port(both)? }),
        [first, guest] => match address(first) {
            Ok(address) => Ok(Publish { address, port: port(guest)?, guest: port(guest)? }),
            Err(_) => Ok(Publish { address: Ipv4Addr::LOCALHOST, port: port(first)?, guest: port(guest)? }),
        },
        [at, first, guest] => Ok(Publish { address: address(at)?, port: port(first)?, guest: port(guest)? }),
        _ => Err("expected [ADDRESS:]PORT[:GUEST_PORT], such as 8080:80".to_owned()),
    }
}

/// Refuses ports that are not to be had now, which is told better here than by what is going to take them.
pub(super) fn free(ports: &[Publish]) -> Result<(), Error> {
    for (number, port) in ports.iter().enumerate() {
        let again =
            ports[..number].iter().any(|other| (other.address, other.port) == (port.address, port.port));
        if again {
            return Err(unavailable(*port, "it is given twice"));
        }
        if let Err(error) = TcpListener::bind(SocketAddrV4::new(port.address, port.port)) {
            return Err(unavailable(*port, &error.to_string()));
        }
    }
    Ok(())
}

/// A port of this host cannot lead to a guest.
#[must_use]
pub fn unavailable(port: Publish, reason: &str) -> Error {
    let message = format!("port {} of {} cannot be published", port.port, port.address);
    let other = u32::from(port.port) + if port.port < 1024 { 8000 } else { 1 };
    let diagnostic = Diagnostic::new(codes::PORT_UNAVAILABLE, message).note(reason.to_owned()).help(format!(
        "choose another one: `--publish {}:{}`",
        other.min(65535),
        port.guest
    ));
    Error::diagnosed(Class::Host, vec![diagnostic], Sources::default())
}

/// A port of the loopback that nobody has.
pub(super) fn unused() -> Result<u16, Error> {
    let found = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    let refused = |error| Error::message(Class::Host, format!("no port of this host can be had: {error}"));
    found.map(|address| address.port()).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_with_and_without_address_and_guest_port() {
        let publish = |address: [u8; 4], port, guest| Ok(Publish { address: address.into(), port, guest });
        assert_eq!(parse("8080:80"), publish([127, 0, 0, 1], 8080, 80));
        assert_eq!(parse("80"), publish([127, 0, 0, 1], 80, 80));
        assert_eq!(parse("0.0.0.0:8080:80"), publish([0, 0, 0, 0], 8080, 80));
        assert_eq!(parse("192.0.2.1:80"), publish([192, 0, 2, 1], 80, 80));
        for wrong in ["", "0", "65536", "a:80", "80:b", "1:2:3", "::1:80", "1.2.3.4:5:6:7", "-1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_port_that_is_taken_is_told_with_another_one() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken =
            Publish { address: Ipv4Addr::LOCALHOST, port: listener.local_addr().unwrap().port(), guest: 80 };
        let error = free(&[taken]).unwrap_err();
        assert_eq!(error.class, Class::Host);
        assert_eq!(error.diagnostics()[0].code, codes::PORT_UNAVAILABLE);
        drop(listener);
        assert!(free(&[taken]).is_ok());
        assert!(free(&[taken, Publish { guest: 81, ..taken }]).is_err(), "twice");
    }
}
