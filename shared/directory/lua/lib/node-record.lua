-- A node record is stored as `incarnation state weight` on the first line and the JSON of the rest, as it was given, after it:
-- what scripts change stands outside of the JSON, so that no JSON is ever decoded and written again here.
local function parse_node(text)
  return string.match(text, '^(%S+) (%S+) (%S+)\n(.*)$')
end

-- Whether `incarnation`, standing under its id in `state`, is dead or has left for good.
local function is_certified(certs, incarnation, state)
  return state == 'dead' or state == 'left' or redis.call('HEXISTS', certs, incarnation) == 1
end

-- The heartbeat counter that stands for `incarnation` under `node`; 0 if it has none.
local function counter_of(beats, node, incarnation)
  local beat = redis.call('HGET', beats, node)
  if not beat then
    return 0
  end
  local owner, counter = string.match(beat, '^([^:]+):(%d+):')
  if owner ~= incarnation then
    return 0
  end
  return tonumber(counter)
end
