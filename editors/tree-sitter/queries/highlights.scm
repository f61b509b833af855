; By the names that Neovim and the tree-sitter command line use; queries/helix has those of Helix. Where several
; patterns match, the last one counts.

(word) @constant
((word) @number (#match? @number "^[~=!<>^]*[0-9]"))
((word) @boolean (#any-of? @boolean "true" "false"))
(string) @string
(escape) @string.escape
(interpolation "${" @punctuation.special "}" @punctuation.special)
(param_name) @variable.parameter

(statement keyword: (keyword) @keyword)
((statement keyword: (keyword) @keyword.import) (#any-of? @keyword.import "include" "catalog"))
((statement (word) @keyword) (#any-of? @keyword "to" "from" "sha256" "sha512"))

((statement keyword: (keyword) @_statement . (word) @type) (#any-of? @_statement "app" "base"))
((statement keyword: (keyword) @_statement . (word) @type . (word) @type) (#eq? @_statement "os"))
((statement keyword: (keyword) @_statement . (word) @function) (#any-of? @_statement "profile" "use"))
((statement keyword: (keyword) @_statement . (word) @variable.parameter) (#eq? @_statement "param"))
((statement keyword: (keyword) @_statement . (word) @variable)
  (#any-of? @_statement "env" "label" "account" "group" "secret" "user" "service"))

(pair key: (word) @property)
["=" ","] @punctuation.delimiter
["{" "}" "[" "]"] @punctuation.bracket

[(heredoc_start) (heredoc_end)] @label
(comment) @comment @spell
