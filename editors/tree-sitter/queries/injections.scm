; The language of a heredoc is the one that its first line names.

((heredoc_body) @injection.content
  (#match? @injection.content "^[ \t]*#!.*[/ ](ba|da|k|z|a)?sh([ \t\r\n]|$)")
  (#set! injection.language "bash"))
((heredoc_body) @injection.content
  (#match? @injection.content "^[ \t]*#!.*[/ ]python")
  (#set! injection.language "python"))
((heredoc_body) @injection.content
  (#match? @injection.content "^[ \t]*#!.*[/ ]perl")
  (#set! injection.language "perl"))
((heredoc_body) @injection.content
  (#match? @injection.content "^[ \t]*#!.*[/ ]ruby")
  (#set! injection.language "ruby"))
((heredoc_body) @injection.content
  (#match? @injection.content "^[ \t]*#!.*[/ ]node")
  (#set! injection.language "javascript"))

((comment) @injection.content
  (#set! injection.language "comment"))
