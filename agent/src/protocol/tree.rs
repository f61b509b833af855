//! How the files of a system are told of. None of these is a message: they follow each other in the data of an answer,
//! which is one stream however it is cut into messages.

use super::wire::{Bytes, Wire, wire};

wire! {
    /// A file, folder, link or device of the image.
    pub struct Node {
        /// The folder it is in: the number of its node, counted from 0 in the order of their arrival. The first one is the
        /// root, which is in itself.
        pub parent: u32,
        /// Empty for the root. Within a folder names ascend, byte by byte.
        pub name: Bytes,
        /// Kind and permissions, as `st_mode` has them.
        pub mode: u32,
        pub uid: u32,
        pub gid: u32,
        /// Bytes.
        pub size: u64,
        /// Bytes that it takes on the disk.
        pub used: u64,
        /// Last change of its content, in seconds since 1970.
        pub mtime: i64,
        pub links: u64,
        /// Device and inode: equal for two names of one file.
        pub device: u64,
        pub inode: u64,
        /// Of a symbolic link.
        pub target: Bytes,
        /// Extended attributes with their values; one that is too long is empty.
        pub attributes: Vec<(Bytes, Bytes)>,
    }
}

wire! {
    /// A file that was asked for.
    pub enum Content {
        Whole { bytes: Bytes } = 0,
        Absent = 1,
        /// A folder, a device…
        NotAFile = 2,
        TooLong { size: u64 } = 3,
        Unreadable { reason: String } = 4,
    }
}

wire! {
    /// The digest of a file that was asked for.
    pub enum Sum {
        Sha256 { digest: Bytes } = 0,
        /// Not there, or not a regular file.
        None = 1,
        Unreadable { reason: String } = 2,
        /// Nothing yet: the file is a large one, and the agent is at it.
        Busy = 3,
    }
}

/// Takes values off a stream that holds nothing else; what is left at its end is no value.
pub fn values<T: Wire>(mut stream: &[u8]) -> impl Iterator<Item = Result<T, super::wire::Malformed>> {
    std::iter::from_fn(move || {
        if stream.is_empty() {
            return None;
        }
        let value = T::take(&mut stream);
        if value.is_err() {
            stream = &[];
        }
        Some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_gives_back_what_was_put_into_it_and_says_where_it_breaks() {
        let contents =
            [Content::Absent, Content::Whole { bytes: Bytes(vec![1, 2]) }, Content::TooLong { size: 9 }];
        let mut stream = Vec::new();
        for content in &contents {
            content.put(&mut stream);
        }
        let read: Vec<_> = values::<Content>(&stream).collect();
        assert_eq!(read, contents.clone().map(Ok));
        let cut = &stream[..stream.len() - 1];
        let read: Vec<_> = values::<Content>(cut).collect();
        assert_eq!(read.len(), 3);
        assert!(read[2].is_err());
    }
}
