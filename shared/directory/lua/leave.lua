-- A node's own last word: state `left`, and a certificate that says so.
-- KEYS  1 meta  2 nodes  3 certs
-- ARGV  1 run id  2 node  3 incarnation  4 most certificates kept
-- Reply {'left', ver}
--       {'refused'}   the record does not name this incarnation, or it is certified already
--       {'other-run', run id}
--@include run-id
--@include node-record
--@include certificate
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
redis.call('HSET', KEYS[2], ARGV[2], incarnation .. ' left ' .. weight .. '\n' .. json)
write_certificate(KEYS[3], KEYS[1], incarnation, run, 'left', tonumber(ARGV[4]))
return { 'left', string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'ver', 1)) }
