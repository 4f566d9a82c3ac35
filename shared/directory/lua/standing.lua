-- Whether an incarnation lives, as far as this history knows, and which history that is.
-- KEYS  1 meta  2 nodes  3 certs
-- ARGV  1 node  2 incarnation
-- Reply {run id, gen or '', 'living'}      its record is active or draining
--       {run id, gen or '', 'certified'}   by certificate, by state, or because another incarnation stands under this id
--       {run id, gen or '', 'unknown'}     no record under this id and no certificate
--@include run-id
--@include node-record
local gen = redis.call('HGET', KEYS[1], 'gen') or ''
local text = redis.call('HGET', KEYS[2], ARGV[1])
local standing = 'living'
if not text then
  standing = redis.call('HEXISTS', KEYS[3], ARGV[2]) == 1 and 'certified' or 'unknown'
else
  local incarnation, state = parse_node(text)
  if incarnation ~= ARGV[2] or is_certified(KEYS[3], incarnation, state) then
    standing = 'certified'
  end
end
return { run_id(), gen, standing }
