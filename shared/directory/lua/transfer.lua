-- The owner names its successor under the next epoch. An expiry goes, as with a claim: whoever was certified and does not know it yet may
-- be sending this, and its room may have been given one.
-- KEYS  1 owner  2 log  3 senders  4 order  5 state
-- ARGV  1 incarnation  2 epoch  3 nonce  4 to node  5 to incarnation  6 to nonce  7 head  8 '1' if the room is logged, else '0'
-- Reply {'moved', record}
--       {'changed', record}   the record does not hold this triple; record is read-room's
--       {'changed'}           there is no record
--       {'rolled-back', head} the room is logged, and where the stored head, or the log, is; nothing is written
--@include room-record
--@include log-entry
local record = read_room(KEYS[1])
if not record then
  return { 'changed' }
end
if record[2] ~= ARGV[1] or record[3] ~= ARGV[2] or record[4] ~= ARGV[3] then
  return { 'changed', record }
end
if ARGV[8] == '1' then
  local log_at = log_end(KEYS[2]) or record[5]
  if record[5] ~= ARGV[7] then
    return { 'rolled-back', record[5] }
  elseif log_at ~= ARGV[7] then
    return { 'rolled-back', log_at }
  end
end
local head = larger(record[5], ARGV[7])
drop_unless_at(KEYS[2], head)
for i = 1, #KEYS do
  redis.call('PERSIST', KEYS[i])
end
return { 'moved', write_owner(KEYS[1], ARGV[4], ARGV[5], tonumber(record[3]), ARGV[6], head, record[6]) }
