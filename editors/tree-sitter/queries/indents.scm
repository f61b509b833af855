[
  (block)
  (options)
  (list)
] @indent.begin

["}" "]"] @indent.branch

; What is in a heredoc, and where it ends, is the user's.
[(heredoc_body) (heredoc_end)] @indent.ignore
