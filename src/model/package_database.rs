//! Databases of installed packages, as systems keep them: also of systems on which no package can be installed here.

/// Where a program keeps which packages are installed.
#[derive(Debug, PartialEq, Eq)]
pub struct PackageDatabase {
    /// The program whose it is, such as `dpkg`.
    pub program: &'static str,
    /// Files that list what is installed, as absolute paths; the first that is there counts.
    pub installed: &'static [&'static str],
    /// A folder, and how the names end of its files that list the paths of a package, one a line; none where the list of
    /// what is installed has them itself.
    pub paths: Option<(&'static str, &'static str)>,
}

/// That of Debian's family (dpkg(1)).
pub static DPKG: PackageDatabase = PackageDatabase {
    program: "dpkg",
    installed: &["/var/lib/dpkg/status"],
    paths: Some(("/var/lib/dpkg/info", ".list")),
};

/// Alpine's, and where newer versions of apk have it.
pub static APK: PackageDatabase = PackageDatabase {
    program: "apk",
    installed: &["/lib/apk/db/installed", "/usr/lib/apk/db/installed"],
    paths: None,
};

/// All that are read.
pub static PACKAGE_DATABASES: [&PackageDatabase; 2] = [&DPKG, &APK];
