-- Reads a room's owner record.
-- KEYS  1 owner
-- Reply {'missing'}
--       {'record', {node or '', incarnation or '', epoch, nonce, head, tags}}
--@include room-record
local record = read_room(KEYS[1])
if not record then
  return { 'missing' }
end
return { 'record', record }
