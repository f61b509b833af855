//! The methods of the protocol that are understood, each by its name there.

macro_rules! methods {
    ($(#[doc = $doc:literal])* $kind:ident { $($name:ident = $written:literal,)* }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $kind {
            $($name,)*
        }

        impl $kind {
            /// The method of this name, if it is one of these.
            #[allow(dead_code, reason = "what is only sent is not read")]
            pub(super) fn of(name: &str) -> Option<Self> {
                match name {
                    $($written => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// As the protocol writes it.
            #[allow(dead_code, reason = "what is only read is not sent")]
            pub(super) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $written,)*
                }
            }
        }
    };
}

methods! {
    /// Requests that begin and end a session.
    Lifecycle {
        Initialize = "initialize",
        Shutdown = "shutdown",
    }
}

methods! {
    /// Requests about a text or the workspace.
    Feature {
        Completion = "textDocument/completion",
        Hover = "textDocument/hover",
        Definition = "textDocument/definition",
        References = "textDocument/references",
        PrepareRename = "textDocument/prepareRename",
        Rename = "textDocument/rename",
        DocumentSymbol = "textDocument/documentSymbol",
        FoldingRange = "textDocument/foldingRange",
        SemanticTokens = "textDocument/semanticTokens/full",
        InlayHint = "textDocument/inlayHint",
        DocumentLink = "textDocument/documentLink",
        CodeLens = "textDocument/codeLens",
        WorkspaceSymbol = "workspace/symbol",
        Formatting = "textDocument/formatting",
        CodeAction = "textDocument/codeAction",
    }
}

methods! {
    /// What a client says without asking.
    Notice {
        Initialized = "initialized",
        Exit = "exit",
        CancelRequest = "$/cancelRequest",
        DidOpen = "textDocument/didOpen",
        DidChange = "textDocument/didChange",
        DidClose = "textDocument/didClose",
        DidSave = "textDocument/didSave",
        DidChangeWatchedFiles = "workspace/didChangeWatchedFiles",
    }
}

methods! {
    /// What the server says and asks.
    ToClient {
        PublishDiagnostics = "textDocument/publishDiagnostics",
        RegisterCapability = "client/registerCapability",
    }
}
