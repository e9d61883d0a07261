-- A session in Neovim 0.7 or newer: open a file, wait for the finding, apply the quick fix, save.
-- PROJECT is a folder with train.py, SERVER the Python that torchlint is installed in.
local function fail(message)
  io.stderr:write(tostring(message) .. "\n")
  vim.cmd("cquit 1")
end

local function wait_for(what, condition)
  if not vim.wait(60000, condition, 20) then
    error("waited in vain for " .. what .. "; there are " .. vim.inspect(vim.diagnostic.get(0)))
  end
end

local function session()
  local project = os.getenv("PROJECT")
  vim.cmd("edit " .. vim.fn.fnameescape(project .. "/train.py"))
  local buffer = vim.api.nvim_get_current_buf()
  vim.bo[buffer].filetype = "python"
  local client = vim.lsp.start_client({
    name = "torchlint",
    cmd = { os.getenv("SERVER"), "-m", "torchlint", "server" },
    root_dir = project,
  })
  assert(vim.lsp.buf_attach_client(buffer, client), "the client does not attach")

  wait_for("the finding", function() return #vim.diagnostic.get(buffer) == 1 end)
  local found = vim.diagnostic.get(buffer)[1]
  assert(found.code == "TL301" or found.user_data.lsp.code == "TL301", vim.inspect(found))
  assert(found.lnum == 3, vim.inspect(found))
  -- Neovim counts bytes, of which the character outside the basic plane has four.
  assert(found.col == 19, vim.inspect(found))

  vim.api.nvim_win_set_cursor(0, { found.lnum + 1, found.col })
  local chosen
  vim.ui.select = function(items, _, on_choice)
    chosen = #items
    on_choice(items[1], 1)
  end
  vim.lsp.buf.code_action()
  wait_for("the repaired line", function()
    return vim.api.nvim_buf_get_lines(buffer, 3, 4, false)[1]:find("x.detach().numpy()", 1, true) ~= nil
  end)
  assert(chosen >= 2, "there is one action only")
  wait_for("no finding", function() return #vim.diagnostic.get(buffer) == 0 end)

  vim.api.nvim_buf_set_lines(buffer, -1, -1, false, { "z = 1  # noqa: TL301" })
  wait_for("the unused suppression", function() return #vim.diagnostic.get(buffer) == 1 end)
  vim.api.nvim_buf_set_lines(buffer, -2, -1, false, {})
  wait_for("no finding without it", function() return #vim.diagnostic.get(buffer) == 0 end)
  vim.cmd("silent write")

  vim.lsp.stop_client(client)
  wait_for("the end", function() return vim.lsp.get_client_by_id(client) == nil end)
end

local fine, message = pcall(session)
if not fine then
  fail(message)
else
  io.stdout:write("all of it is as it should be\n")
  vim.cmd("qall!")
end
