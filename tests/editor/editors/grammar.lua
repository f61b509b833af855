-- What Neovim's own tree-sitter makes of the file that is open, with the installed queries. Any mistake ends it.

local ok, problem = xpcall(function()
  local add = vim.treesitter.language and vim.treesitter.language.add or vim.treesitter.require_language
  add("imagefile")
  local root = vim.treesitter.get_parser(0, "imagefile"):parse()[1]:root()
  assert(not root:has_error(), "the tree has an error")
  local query = vim.treesitter.query and vim.treesitter.query.get or vim.treesitter.get_query
  local text = vim.treesitter.get_node_text or vim.treesitter.query.get_node_text
  for _, name in ipairs({ "highlights", "injections", "folds", "indents", "locals" }) do
    local found = query("imagefile", name)
    assert(found, "there is no query " .. name)
    for id, node in found:iter_captures(root, 0) do
      local shown = name == "folds" and node:type() or text(node, 0)
      io.stdout:write(found.captures[id] .. " " .. tostring(shown) .. "\n")
    end
  end
end, debug.traceback)
if not ok then
  io.stderr:write(problem .. "\n")
  vim.cmd("cquit")
end
vim.cmd("quitall!")
