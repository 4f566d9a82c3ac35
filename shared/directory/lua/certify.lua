-- Certifies an incarnation as dead: by patience if the counter still stands where it stood, by proof without asking the counter.
-- KEYS  1 meta  2 nodes  3 beats  4 certs
-- ARGV  1 run id  2 gen  3 node  4 incarnation  5 counter, or '' for a proof  6 how  7 most certificates kept
-- Reply {'certified', ver}
--       {'already'}          by certificate, by state, or because another incarnation stands under this id
--       {'moved', counter}
--       {'absent'}           no record under this id and no certificate
--       {'other-gen', gen or ''}
--       {'other-run', run id}
--@include run-id
--@include node-record
--@include certificate
local run = run_id()
if run ~= ARGV[1] then
  return { 'other-run', run }
end
local gen = redis.call('HGET', KEYS[1], 'gen') or ''
if gen ~= ARGV[2] then
  return { 'other-gen', gen }
end
if redis.call('HEXISTS', KEYS[4], ARGV[4]) == 1 then
  return { 'already' }
end
local text = redis.call('HGET', KEYS[2], ARGV[3])
if not text then
  return { 'absent' }
end
local incarnation, state, weight, json = parse_node(text)
if incarnation ~= ARGV[4] or state == 'dead' or state == 'left' then
  return { 'already' }
end
if ARGV[5] ~= '' then
  local counter = counter_of(KEYS[3], ARGV[3], incarnation)
  if counter ~= tonumber(ARGV[5]) then
    return { 'moved', string.format('%.0f', counter) }
  end
end
redis.call('HSET', KEYS[2], ARGV[3], incarnation .. ' dead ' .. weight .. '\n' .. json)
write_certificate(KEYS[4], KEYS[1], incarnation, run, ARGV[6], tonumber(ARGV[7]))
return { 'certified', string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'ver', 1)) }
