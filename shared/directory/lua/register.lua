-- Enters a node's record, and names the history if it has no name. Repeated for the incarnation that stands there it changes
-- nothing: record, state and counter go on.
-- KEYS  1 meta  2 nodes  3 beats  4 certs
-- ARGV  1 run id  2 new gen  3 node  4 incarnation  5 state  6 weight  7 JSON of the rest
-- Reply {'registered', gen, ver, '1' if nothing ever stood under this id in this history, else '0'}
--       {'living', incarnation, counter, gen}   a namesake that is not certified stands there
--       {'certified'}                           this very incarnation is dead or has left
--       {'other-run', run id}
--@include run-id
--@include node-record
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
local ver = redis.call('HINCRBY', KEYS[1], 'ver', 1)
return { 'registered', gen, string.format('%.0f', ver), text and '0' or '1' }
