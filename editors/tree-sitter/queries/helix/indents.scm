[
  (block)
  (options)
  (list)
] @indent

["}" "]"] @outdent
