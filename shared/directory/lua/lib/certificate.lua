-- Writes a certificate: `number run_id how`. `number` counts all certificates of this history; beyond `max` the oldest tenth
-- is dropped at once, so that the walk through the hash is paid once in max/10 certificates.
local function write_certificate(certs, meta, incarnation, run, how, max)
  local number = redis.call('HINCRBY', meta, 'certs', 1)
  redis.call('HSET', certs, incarnation, string.format('%.0f %s %s', number, run, how))
  if redis.call('HLEN', certs) <= max then
    return
  end
  local oldest = number - math.floor(max * 0.9)
  local all = redis.call('HGETALL', certs)
  for i = 1, #all, 2 do
    if tonumber(string.match(all[i + 1], '^(%d+)')) <= oldest then
      redis.call('HDEL', certs, all[i])
    end
  end
end
