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

-- Symbols of the folder, a file that was never opened among them.
local function ask(method, params)
  for _, answer in pairs(vim.lsp.buf_request_sync(0, method, params, 20000)) do
    assert(not answer.err, vim.inspect(answer.err))
    return answer.result
  end
end
local items = vim.lsp.util.symbols_to_items(ask("workspace/symbol", { query = "hard" }))
assert(#items == 1 and items[1].text:find("hardened") and items[1].filename:find("common.imagefile"), vim.inspect(items))
assert(#ask("textDocument/documentLink", { textDocument = vim.lsp.util.make_text_document_params() }) == 1, "the include")

-- A lens above the image runs a command of the configuration.
vim.lsp.codelens.refresh()
wait("lenses", function()
  return #vim.lsp.codelens.get(0) == 3
end)
local titles = vim.tbl_map(function(lens)
  return lens.command.title
end, vim.lsp.codelens.get(0))
assert(vim.deep_equal(titles, { "check", "build", "plan" }), vim.inspect(titles))
vim.api.nvim_win_set_cursor(0, { vim.lsp.codelens.get(0)[1].range.start.line + 1, 0 })
vim.lsp.codelens.run()
wait("the check in a terminal", function()
  local text = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
  return vim.bo.buftype == "terminal" and text:find("1 image checked, nothing wrong", 1, true)
end)

-- Completion in a file of a catalogue.
vim.cmd("edit catalog/apps/shop.yaml")
wait("the server to take the catalogue file", function()
  return #vim.lsp.buf_get_clients(0) == 1
end)
vim.api.nvim_win_set_cursor(0, { 5, 13 })
local labels = vim.tbl_map(function(item)
  return item.label
end, ask("textDocument/completion", vim.lsp.util.make_position_params()))
assert(vim.tbl_contains(labels, "nginx"), vim.inspect(labels))
vim.cmd("quitall!")
