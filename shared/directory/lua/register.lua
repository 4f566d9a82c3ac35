-- Enters a node's record, lets go of the oldest of those that are dead or have left where they are more than DEAD_KEPT, and names the
-- history if it has no name. Repeated for the incarnation that stands there it changes nothing: record, state and counter go on.
-- KEYS  1 meta  2 nodes  3 beats  4 certs
-- ARGV  1 run id  2 new gen  3 node  4 incarnation  5 state  6 weight  7 JSON of the rest
-- Reply {'registered', gen, ver, '1' if nothing ever stood under this id in this history, else '0'}
--       {'living', incarnation, counter, gen}   a namesake that is not certified stands there
--       {'certified'}                           this very incarnation is dead or has left
--       {'other-run', run id}
--@include run-id
--@include node-record
local DEAD_KEPT = 100

-- Nodes of names that nobody takes again would gather. An incarnation that no record names any more is still known by its
-- certificate, and where that is gone too it is one of which nothing was heard in this history.
local function forget_dead(meta, nodes, beats, certs)
  if redis.call('HLEN', nodes) <= DEAD_KEPT then
    return
  end
  local all = redis.call('HGETALL', nodes)
  local dead = {}
  for i = 1, #all, 2 do
    local incarnation, state = parse_node(all[i + 1])
    if state == 'dead' or state == 'left' then
      local certificate = redis.call('HGET', certs, incarnation)
      local number = certificate and tonumber(string.match(certificate, '^(%d+)')) or 0
      dead[#dead + 1] = { number, all[i] }
    end
  end
  table.sort(dead, function(a, b)
    return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2])
  end)
  for i = 1, #dead - DEAD_KEPT do
    redis.call('HDEL', nodes, dead[i][2])
    redis.call('HDEL', beats, dead[i][2])
    redis.call('HSET', meta, 'forgot', '1')
  end
end

local run = run_id()
if run ~= ARGV[1] then
  return { 'other-run', run }
end
local gen = redis.call('HGET', KEYS[1], 'gen')
if not gen then
  gen = ARGV[2]
  redis.call('HSET', KEYS[1], 'gen', gen, 'schema', '1')
end
if redis.call('HEXISTS', KEYS[4], ARGV[4]) == 1 then
  return { 'certified' }
end
local text = redis.call('HGET', KEYS[2], ARGV[3])
if text then
  local incarnation, state = parse_node(text)
  local certified = is_certified(KEYS[4], incarnation, state)
  if incarnation == ARGV[4] then
    if certified then
      return { 'certified' }
    end
    return { 'registered', gen, redis.call('HGET', KEYS[1], 'ver') or '0', '0' }
  end
  if not certified then
    return { 'living', incarnation, string.format('%.0f', counter_of(KEYS[3], ARGV[3], incarnation)), gen }
  end
end
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4] .. ' ' .. ARGV[5] .. ' ' .. ARGV[6] .. '\n' .. ARGV[7])
redis.call('HSET', KEYS[3], ARGV[3], ARGV[4] .. ':0:0,0')
forget_dead(KEYS[1], KEYS[2], KEYS[3], KEYS[4])
local ver = redis.call('HINCRBY', KEYS[1], 'ver', 1)
-- Once a record was let go of, nobody knows which ids never stood here.
local is_first = not text and redis.call('HEXISTS', KEYS[1], 'forgot') == 0
return { 'registered', gen, string.format('%.0f', ver), is_first and '1' or '0' }
