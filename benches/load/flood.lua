-- As report.lua, and sends the lines of the file FLOOD_LINES one after the other, as FLOOD_HEADER, to FLOOD_PATH. A header
-- with a `:` has the beginning of its value behind that.
dofile(os.getenv("LOAD_DIRECTORY") .. "/report.lua")

local requests = {}
local next_request = 0

function init(_)
  local name, before = os.getenv("FLOOD_HEADER"):match("^([^:]+):?%s?(.*)$")
  for line in io.lines(os.getenv("FLOOD_LINES")) do
    requests[#requests + 1] = wrk.format("GET", os.getenv("FLOOD_PATH"), { [name] = before .. line })
  end
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end
