-- What a claim puts back of a log. In ARGV from the 14th on: '' for nothing, else 'afresh' or 'further', the number of entries, of
-- each seq, under, said (see log-entry), then of each sender its name, seat, cseq, id and seq.
local RESTORE = ARGV[14]
local ENTRIES_FROM = 16
local ENTRY_PARTS = 3
local ENTRIES = RESTORE ~= '' and tonumber(ARGV[15]) or 0
local MARKS_FROM = ENTRIES_FROM + ENTRIES * ENTRY_PARTS

-- The stored tags and those of the entries put back, each with the first seq known of it. Afresh, none that no entry bears.
local function restored_tags(tags)
  if RESTORE == '' then
    return tags
  end
  local first = {}
  local order = {}
  for i = ENTRIES_FROM, MARKS_FROM - 1, ENTRY_PARTS do
    local tag = string.match(ARGV[i + 1], '^(%S+)')
    if not first[tag] then
      first[tag] = ARGV[i]
      order[#order + 1] = tag
    end
  end
  local list = {}
  for word in string.gmatch(tags, '%S+') do
    local tag = string.match(word, '^(.*):%d+$')
    if RESTORE ~= 'afresh' or first[tag] then
      list[#list + 1] = word
    end
    first[tag] = nil
  end
  for _, tag in ipairs(order) do
    if first[tag] then
      list[#list + 1] = tag .. ':' .. first[tag]
    end
  end
  return table.concat(list, ' ')
end

-- Puts entries and marks back. A log that does not reach up to the entries, or is not theirs, goes first.
local function restore_log(log, senders, order, head)
  local stored_end = log_end(log)
  local is_apart = ENTRIES > 0 and (not stored_end or tonumber(stored_end) + 1 < tonumber(ARGV[ENTRIES_FROM]))
  if RESTORE == 'afresh' or is_apart then
    redis.call('DEL', log)
    stored_end = '0'
  end
  for i = ENTRIES_FROM, MARKS_FROM - 1, ENTRY_PARTS do
    if tonumber(ARGV[i]) > tonumber(stored_end or '0') then
      redis.call('XADD', log, ARGV[i] .. '-0', 'under', ARGV[i + 1], 'said', ARGV[i + 2])
    end
  end
  if RESTORE == 'afresh' then
    redis.call('DEL', senders, order)
  end
  for i = MARKS_FROM, #ARGV, 5 do
    local sender = ARGV[i]
    local text = redis.call('HGET', senders, sender)
    local mark = merge_mark(text and parse_mark(text) or nil, tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]))
    redis.call('HSET', senders, sender, mark_text(mark))
    if sender ~= '!' then
      redis.call('ZADD', order, order_score(sender, head), sender)
    end
  end
end
