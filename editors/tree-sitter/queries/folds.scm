[
  (block)
  (options)
  (list)
  (heredoc)
] @fold
