(source_file) @local.scope

((statement keyword: (keyword) @_statement . (word) @local.definition.parameter)
  (#eq? @_statement "param"))
((statement keyword: (keyword) @_statement . (word) @local.definition.function)
  (#eq? @_statement "profile"))

(param_name) @local.reference
((statement keyword: (keyword) @_statement . (word) @local.reference)
  (#eq? @_statement "use"))
