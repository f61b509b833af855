//! Names: of images, outputs, accounts and files.

use super::OutputFormat;
use crate::text::Digest;

/// Longest name most file systems take, in bytes.
const FILE_NAME_LIMIT: usize = 255;

/// `NAME.EXT`, shortened with a digest of the whole name at its end where it would pass 255 bytes.
pub(super) fn output_file_name(name: &str, format: OutputFormat) -> String {
    let extension = format.as_str();
    let whole = format!("{name}.{extension}");
    if whole.len() <= FILE_NAME_LIMIT {
        return whole;
    }
    let digest = Digest::of(name).short();
    let mut keep = FILE_NAME_LIMIT - extension.len() - digest.len() - 2;
    while !name.is_char_boundary(keep) {
        keep -= 1;
    }
    format!("{}-{digest}.{extension}", &name[..keep])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_output_names_stay_distinct_and_short() {
        assert_eq!(output_file_name("web", OutputFormat::Qcow2), "web.qcow2");
        let (a, b) = (format!("{}a", "x".repeat(254)), format!("{}b", "x".repeat(254)));
        let (file_a, file_b) =
            (output_file_name(&a, OutputFormat::Raw), output_file_name(&b, OutputFormat::Raw));
        assert_eq!(file_a.len(), 255);
        assert_ne!(file_a, file_b);
    }
}
