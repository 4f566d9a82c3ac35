-- Changes a living node's state or weight.
-- KEYS  1 meta  2 nodes  3 certs
-- ARGV  1 run id  2 node  3 incarnation  4 state  5 weight or ''
-- Reply {'ok', ver}
--       {'refused'}   the record does not name this incarnation, or it is certified
--       {'other-run', run id}
--@include run-id
--@include node-record
local run = run_id()
if run ~= ARGV[1] then
  return { 'other-run', run }
end
local text = redis.call('HGET', KEYS[2], ARGV[2])
if not text then
  return { 'refused' }
end
local incarnation, state, weight, json = parse_node(text)
if incarnation ~= ARGV[3] or is_certified(KEYS[3], incarnation, state) then
  return { 'refused' }
end
if ARGV[5] ~= '' then
  weight = ARGV[5]
end
redis.call('HSET', KEYS[2], ARGV[2], incarnation .. ' ' .. ARGV[4] .. ' ' .. weight .. '\n' .. json)
return { 'ok', string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'ver', 1)) }
