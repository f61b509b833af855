-- A session of Neovim's own client, after the configuration of docs/editors.md. Says on stdout what it
-- saw; anything unexpected ends it with an error.

local function wait(what, condition)
  assert(vim.wait(20000, condition, 20), "waited in vain for " .. what)
end

vim.ui.select = function(items, _, choose)
  choose(items[1], 1)
end

vim.cmd("edit ImageFile")
assert(vim.bo.filetype == "imagefile", "the file's type is known")

wait("diagnostics", function()
  return #vim.diagnostic.get(0) > 0
end)
for _, found in ipairs(vim.diagnostic.get(0)) do
  local code = found.code or found.user_data.lsp.code
  print(string.format("%d:%d %s", found.lnum + 1, found.col + 1, code))
end

local first = vim.diagnostic.get(0)[1]
vim.api.nvim_win_set_cursor(0, { first.lnum + 1, first.col })
vim.lsp.buf.code_action()
wait("the fix to help", function()
  return #vim.diagnostic.get(0) == 0
end)

if vim.lsp.buf.format then
  vim.lsp.buf.format({ timeout_ms = 20000 })
else
  vim.lsp.buf.formatting_sync(nil, 20000)
end
vim.cmd("write")
vim.cmd("quitall")
