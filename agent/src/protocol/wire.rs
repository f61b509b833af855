//! Values as bytes: integers little-endian, texts and lists with a `u32` length before them,
//! variants by a tag byte in the order of their declaration. Reading never allocates more than
//! the input could fill, never panics, and refuses left-overs.

use std::fmt;

/// The bytes are no value of the expected type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed message")
    }
}

impl std::error::Error for Malformed {}

/// A value that travels.
pub trait Wire: Sized {
    /// Appends the value's bytes.
    fn put(&self, out: &mut Vec<u8>);
    /// Takes a value off the front of `input`.
    fn take(input: &mut &[u8]) -> Result<Self, Malformed>;

    /// Reads a value that fills `input` exactly.
    fn read(mut input: &[u8]) -> Result<Self, Malformed> {
        let value = Self::take(&mut input)?;
        if input.is_empty() { Ok(value) } else { Err(Malformed) }
    }
}

fn split<'a>(input: &mut &'a [u8], len: usize) -> Result<&'a [u8], Malformed> {
    let (front, rest) = input.split_at_checked(len).ok_or(Malformed)?;
    *input = rest;
    Ok(front)
}

macro_rules! integers {
    ($($int:ty),*) => {$(
        impl Wire for $int {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn take(input: &mut &[u8]) -> Result<Self, Malformed> {
                let bytes = split(input, size_of::<$int>())?;
                Ok(<$int>::from_le_bytes(bytes.try_into().map_err(|_| Malformed)?))
            }
        }
    )*};
}
integers!(u8, u32, u64, i32, i64);

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(input: &mut &[u8]) -> Result<Self, Malformed> {
        match u8::take(input)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }
}

/// Raw bytes, copied in one go.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    // A longer value could not be framed anyway; the frame's writer refuses it.
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).put(out);
    out.extend_from_slice(bytes);
}

impl Wire for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(&self.0, out);
    }

    fn take(input: &mut &[u8]) -> Result<Self, Malformed> {
        let len = u32::take(input)? as usize;
        Ok(Self(split(input, len)?.to_vec()))
    }
}

impl Wire for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(self.as_bytes(), out);
    }

    fn take(input: &mut &[u8]) -> Result<Self, Malformed> {
        Self::from_utf8(Bytes::take(input)?.0).map_err(|_| Malformed)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(input: &mut &[u8]) -> Result<Self, Malformed> {
        Ok(if bool::take(input)? { Some(T::take(input)?) } else { None })
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        u32::try_from(self.len()).unwrap_or(u32::MAX).put(out);
        for value in self {
            value.put(out);
        }
    }

    fn take(input: &mut &[u8]) -> Result<Self, Malformed> {
        let len = u32::take(input)?;
        // Every value takes at least a byte: an absurd length ends with the input, not with memory.
        let mut values = Self::new();
        for _ in 0..len {
            values.push(T::take(input)?);
        }
        Ok(values)
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(input: &mut &[u8]) -> Result<Self, Malformed> {
        Ok((A::take(input)?, B::take(input)?))
    }
}

/// Declares a struct or an enum together with its bytes.
macro_rules! wire {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$fmeta:meta])* pub $field:ident: $ty:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty,)* }

        impl $crate::protocol::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $($crate::protocol::wire::Wire::put(&self.$field, out);)*
            }
            fn take(input: &mut &[u8]) -> Result<Self, $crate::protocol::wire::Malformed> {
                Ok(Self { $($field: $crate::protocol::wire::Wire::take(input)?,)* })
            }
        }
    };
    ($(#[$meta:meta])* pub enum $name:ident {
        $($(#[$vmeta:meta])* $variant:ident $({ $($(#[$fmeta:meta])* $field:ident: $ty:ty),* $(,)? })? = $tag:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name { $($(#[$vmeta])* $variant $({ $($(#[$fmeta])* $field: $ty,)* })?,)* }

        impl $crate::protocol::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $({ $($field),* })? => {
                        out.push($tag);
                        $($($crate::protocol::wire::Wire::put($field, out);)*)?
                    })*
                }
            }
            fn take(input: &mut &[u8]) -> Result<Self, $crate::protocol::wire::Malformed> {
                Ok(match u8::take(input)? {
                    $($tag => Self::$variant $({ $($field: $crate::protocol::wire::Wire::take(input)?,)* })?,)*
                    _ => return Err($crate::protocol::wire::Malformed),
                })
            }
        }
    };
}
pub(crate) use wire;
