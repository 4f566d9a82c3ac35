-- A sender's place in the order in which marks are forgotten: by the head when it was heard last (a number as text), backends' keys
-- before all others.
local function order_score(sender, head)
  return string.sub(sender, 1, 2) == 'k:' and string.format('%.0f', head - 2 ^ 52) or head
end
