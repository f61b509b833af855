; By the names of Helix, where the first pattern that matches counts.

((statement keyword: (keyword) @_statement . (word) @type) (#any-of? @_statement "app" "base"))
((statement keyword: (keyword) @_statement . (word) @type . (word) @type) (#eq? @_statement "os"))
((statement keyword: (keyword) @_statement . (word) @function) (#any-of? @_statement "profile" "use"))
((statement keyword: (keyword) @_statement . (word) @variable.parameter) (#eq? @_statement "param"))
((statement keyword: (keyword) @_statement . (word) @variable)
  (#any-of? @_statement "env" "label" "account" "group" "secret" "user" "service"))

((statement keyword: (keyword) @keyword.control.import) (#any-of? @keyword.control.import "include" "catalog"))
(statement keyword: (keyword) @keyword)
((statement (word) @keyword) (#any-of? @keyword "to" "from" "sha256" "sha512"))

(pair key: (word) @variable.other.member)
((word) @constant.numeric (#match? @constant.numeric "^[~=!<>^]*[0-9]"))
((word) @constant.builtin.boolean (#any-of? @constant.builtin.boolean "true" "false"))
(word) @constant

(param_name) @variable.parameter
(interpolation "${" @punctuation.special "}" @punctuation.special)
(escape) @constant.character.escape
(string) @string

["=" ","] @punctuation.delimiter
["{" "}" "[" "]"] @punctuation.bracket
[(heredoc_start) (heredoc_end)] @label
(comment) @comment
