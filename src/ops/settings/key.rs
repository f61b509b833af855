//! The settings by name.

macro_rules! keys {
    ($($variant:ident $name:literal $flag:literal $value:literal $env:literal $about:literal;)*) => {
        /// A setting's name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Key { $(#[doc = $about] $variant),* }

        impl Key {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As written in a configuration file.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// As given on the command line.
            #[must_use]
            pub const fn flag(self) -> &'static str {
                match self { $(Self::$variant => $flag),* }
            }

            /// The environment variable.
            #[must_use]
            pub const fn env(self) -> &'static str {
                match self { $(Self::$variant => $env),* }
            }

            /// What its value is called in help.
            #[must_use]
            pub const fn value(self) -> &'static str {
                match self { $(Self::$variant => $value),* }
            }

            /// One line about it.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about),* }
            }
        }
    };
}

keys! {
    Mirror "mirror" "--mirror" "URL" "IMGFILE_MIRROR" "URL of the Debian archive";
    SecurityMirror "security-mirror" "--security-mirror" "URL" "IMGFILE_SECURITY_MIRROR" "URL of the Debian security archive";
    DiskMirror "disk-mirror" "--disk-mirror" "URL" "IMGFILE_DISK_MIRROR" "URL of a mirror of publishers' disks, a folder for each host";
    Proxy "proxy" "--proxy" "URL" "IMGFILE_PROXY" "URL of an HTTP proxy for downloads";
    Ca "ca" "--ca" "FILE" "IMGFILE_CA" "file of more certificate authorities to trust (PEM)";
    Store "store" "--store" "DIR" "IMGFILE_STORE" "folder of the store";
    StoreSize "store-size" "--store-size" "SIZE" "IMGFILE_STORE_SIZE" "size the store may grow to, such as `50GiB`";
    SavedBoots "saved-boots" "--saved-boots" "SIZE" "IMGFILE_SAVED_BOOTS" "size that machines saved just after they booted may take together, such as `4GiB`; `0` saves none";
    Memory "memory" "--memory" "SIZE" "IMGFILE_MEMORY" "memory for all machines together, such as `8GiB`";
    Cpus "cpus" "--cpus" "N" "IMGFILE_CPUS" "processors for all machines together";
    Accel "accel" "--accel" "HOW" "IMGFILE_ACCEL" "`auto`, `kvm` or `tcg`";
    Driver "driver" "--driver" "NAME" "IMGFILE_DRIVER" "driver that runs the machines";
    AllowPrivateNetwork "allow-private-network" "--allow-private-network" "BOOL" "IMGFILE_ALLOW_PRIVATE_NETWORK" "`true`: guests reach private networks too";
    SignKey "sign-key" "--sign-key" "FILE" "IMGFILE_SIGN_KEY" "private key (PEM) that signs where images come from";
    Advisories "advisories" "--advisories" "FILE|URL" "IMGFILE_ADVISORIES" "advisories of vulnerable packages: the Debian security tracker's JSON, or OSV's";
    CacheFrom "cache-from" "--cache-from" "OCI" "IMGFILE_CACHE_FROM" "registries whose layers are used, such as `oci://registry.example/team` (several: with commas)";
    CacheTo "cache-to" "--cache-to" "OCI" "IMGFILE_CACHE_TO" "registry that layers are sent to, signed by `sign-key`";
    CacheTrust "cache-trust" "--cache-trust" "FILE" "IMGFILE_CACHE_TRUST" "public keys (PEM) of those whose layers are used";
    CachePlainHttp "cache-plain-http" "--cache-plain-http" "BOOL" "IMGFILE_CACHE_PLAIN_HTTP" "`true`: ask registries of layers without TLS";
    AllowWeakerCell "allow-weaker-cell" "--allow-weaker-cell" "BOOL" "IMGFILE_ALLOW_WEAKER_CELL" "`true`: build where this host lacks walls that hold a project";
}

impl Key {
    /// Whether it is `true` or `false`.
    #[must_use]
    pub const fn is_yes_or_no(self) -> bool {
        matches!(self, Self::AllowPrivateNetwork | Self::AllowWeakerCell | Self::CachePlainHttp)
    }

    /// Whether no project may set it, not even one that is trusted.
    #[must_use]
    pub const fn is_never_of_project(self) -> bool {
        // Layers of a project's choice would be run as the user's own, and the user's go where it says.
        let of_cache = matches!(self, Self::CacheFrom | Self::CacheTo | Self::CacheTrust);
        self.is_yes_or_no() || of_cache || matches!(self, Self::SignKey)
    }
}

impl Key {
    /// Whether a project that is not trusted may set it, up to what the user's own settings or the host allow.
    #[must_use]
    pub const fn of_project(self) -> bool {
        matches!(self, Self::Memory | Self::Cpus)
    }
}
