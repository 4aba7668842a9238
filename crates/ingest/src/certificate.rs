//! The name in a client's certificate.
//!
//! rustls has verified the certificate before we look; still this reader of DER takes any bytes.

/// The common name of the certificate's subject, else its first DNS name.
pub(crate) fn name(certificate: &[u8]) -> Option<Box<str>> {
    let to_be_signed = Fields(Fields(certificate).expect(SEQUENCE)?).expect(SEQUENCE)?;
    let mut fields = Fields(to_be_signed);
    if fields.peek() == Some(VERSION) {
        fields.next()?;
    }
    // Serial number, signature algorithm, issuer, validity.
    for _ in 0..4 {
        fields.next()?;
    }
    let subject = fields.expect(SEQUENCE)?;
    common_name(subject).or_else(|| first_dns_name(fields))
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_ID: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.17
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// RFC 5280 allows 64 characters for a common name; DNS names have up to 253.
const NAME_BYTES_MAX: usize = 256;

fn common_name(subject: &[u8]) -> Option<Box<str>> {
    Fields(subject).find_map(|(tag, set)| {
        let attributes = Fields((tag == SET).then_some(set)?);
        attributes.into_iter().find_map(|(_, attribute)| {
            let mut attribute = Fields(attribute);
            let is_name = attribute.expect(OBJECT_ID)? == COMMON_NAME;
            let (tag, value) = attribute.next().filter(|_| is_name)?;
            matches!(tag, UTF8_STRING | PRINTABLE_STRING | IA5_STRING).then(|| text(value))?
        })
    })
}

fn first_dns_name(mut fields: Fields<'_>) -> Option<Box<str>> {
    let (_, extensions) = fields.find(|(tag, _)| *tag == EXTENSIONS)?;
    let names = Fields(Fields(extensions).expect(SEQUENCE)?).find_map(|(_, extension)| {
        let mut extension = Fields(extension);
        let is_names = extension.expect(OBJECT_ID)? == SUBJECT_ALTERNATIVE_NAME;
        let (_, value) = extension.find(|(tag, _)| *tag == OCTET_STRING)?;
        is_names.then_some(value)
    })?;
    let mut names = Fields(Fields(names).expect(SEQUENCE)?);
    names.find_map(|(tag, name)| (tag == DNS_NAME).then(|| text(name))?)
}

fn text(bytes: &[u8]) -> Option<Box<str>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let sound =
        !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.contains(char::is_control);
    sound.then(|| Box::from(text))
}

/// The values that follow each other in DER: tag, length, content.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next value, when it has that tag.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next()
            .filter(|(found, _)| *found == tag)
            .map(|(_, content)| content)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let (&short, rest) = rest.split_first()?;
        let (length, rest) = match short {
            0..=0x7f => (usize::from(short), rest),
            0x81..=0x83 => {
                let (length, rest) = rest.split_at_checked(usize::from(short - 0x80))?;
                let value = length
                    .iter()
                    .fold(0, |value, byte| value << 8 | usize::from(*byte));
                (value, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn certificate(common_name: Option<&str>, dns_names: &[&str]) -> Vec<u8> {
        let names: Vec<String> = dns_names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Sở Y");
        if let Some(name) = common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn check(common_name: Option<&str>, dns_names: &[&str], expected: Option<&str>) {
        let found = name(&certificate(common_name, dns_names));
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn the_common_name_comes_before_the_dns_names() {
        check(Some("máy-chủ-1"), &["a.example"], Some("máy-chủ-1"));
        check(None, &["a.example", "b.example"], Some("a.example"));
        check(Some("bad\nname"), &["a.example"], Some("a.example"));
        check(None, &[], None);
    }

    proptest! {
        #[test]
        fn damaged_certificates_are_survived(at in 0_usize..400, byte: u8, cut in 0_usize..500) {
            let mut bytes = certificate(Some("a"), &["b.example"]);
            let at = at.min(bytes.len() - 1);
            bytes[at] = byte;
            bytes.truncate(cut);
            name(&bytes);
        }
    }
}
