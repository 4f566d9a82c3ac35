-- The owner names its successor under the next epoch.
-- KEYS  1 owner  2 log
-- ARGV  1 incarnation  2 epoch  3 nonce  4 to node  5 to incarnation  6 to nonce  7 head
-- Reply {'moved', record}
--       {'changed', record}   the record does not hold this triple; record is read-room's
--       {'changed'}           there is no record
--@include room-record
--@include log-entry
local record = read_room(KEYS[1])
if not record then
  return { 'changed' }
end
if record[2] ~= ARGV[1] or record[3] ~= ARGV[2] or record[4] ~= ARGV[3] then
  return { 'changed', record }
end
local head = larger(record[5], ARGV[7])
drop_unless_at(KEYS[2], head)
return { 'moved', write_owner(KEYS[1], ARGV[4], ARGV[5], tonumber(record[3]), ARGV[6], head, record[6]) }
