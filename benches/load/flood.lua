-- As report.lua, and sends the keys in the file FLOOD_KEYS one after the other.
dofile(os.getenv("LOAD_DIRECTORY") .. "/report.lua")

local requests = {}
local next_request = 0

function init(_)
  for key in io.lines(os.getenv("FLOOD_KEYS")) do
    requests[#requests + 1] = wrk.format("GET", "/api/protected-resource", { ["x-api-key"] = key })
  end
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end
