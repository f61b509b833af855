//! Releases of kernels: their order, and how an image tells its own.

use std::cmp::Ordering;

/// By runs of digits as numbers and the rest as text; what a boot loader's menu would put first is greater.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() && !b.is_empty() {
        if a[0].is_ascii_digit() && b[0].is_ascii_digit() {
            let (left, right) = (take_number(&mut a), take_number(&mut b));
            let order = left.len().cmp(&right.len()).then_with(|| left.cmp(right));
            if order != Ordering::Equal {
                return order;
            }
        } else {
            // A `~` sorts before everything, the end included.
            let weight = |byte: u8| if byte == b'~' { 0 } else { u16::from(byte) + 1 };
            let order = weight(a[0]).cmp(&weight(b[0]));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (&a[1..], &b[1..]);
        }
    }
    match (a.first(), b.first()) {
        (Some(b'~'), _) => Ordering::Less,
        (_, Some(b'~')) => Ordering::Greater,
        _ => a.len().cmp(&b.len()),
    }
}

/// A run of digits without leading zeroes.
fn take_number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    *text = rest;
    let zeroes = number.iter().take_while(|&&byte| byte == b'0').count();
    &number[zeroes..]
}

/// What an image for x86 says of itself: the first word of the version string that its setup header
/// points to (the kernel's documentation, `x86/boot.rst`, `kernel_version`).
pub(super) fn of_image(start: &[u8]) -> Option<String> {
    if start.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let pointer = u16::from_le_bytes(start.get(0x20e..0x210)?.try_into().ok()?);
    let text = start.get(usize::from(pointer) + 0x200..).filter(|_| pointer != 0)?;
    let end = text.iter().position(|byte| matches!(byte, 0 | b' ')).filter(|end| (1..128).contains(end))?;
    String::from_utf8(text[..end].to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_comes_first() {
        let mut releases = [
            "6.12.9+deb13-cloud-amd64",
            "6.12.48+deb13-cloud-amd64",
            "6.12.48~rc1+deb13-cloud-amd64",
            "6.1.0-42-amd64",
            "6.12.48+deb13.1-cloud-amd64",
        ];
        releases.sort_by(|a, b| compare(b, a));
        assert_eq!(releases.last(), Some(&"6.1.0-42-amd64"));
        let place = |release| releases.iter().position(|known| *known == release);
        assert!(place("6.12.48+deb13-cloud-amd64") < place("6.12.9+deb13-cloud-amd64"));
        assert!(place("6.12.48+deb13-cloud-amd64") < place("6.12.48~rc1+deb13-cloud-amd64"));
    }

    #[test]
    fn what_is_no_kernel_has_no_release() {
        let mut image = vec![0; 0x400];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        for pointer in [0u16, 0x1ff, 0x200, u16::MAX] {
            image[0x20e..0x210].copy_from_slice(&pointer.to_le_bytes());
            assert_eq!(of_image(&image), None, "{pointer}");
        }
        for len in 0..image.len() {
            assert_eq!(of_image(&image[..len]), None);
        }
    }
}
