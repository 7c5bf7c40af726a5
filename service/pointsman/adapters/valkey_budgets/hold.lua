-- Takes a hold from every meter, or nothing. Behind the meters: id, how long it lasts, its entry, then amount and limit (-1: none) of each.

local id, lasts, entry = ARGV[REST], tonumber(ARGV[REST + 1]), ARGV[REST + 2]
if redis.call('HEXISTS', HOLDS, id) == 1 then
  return levels({1}) -- it was taken before, and whoever took it has not heard of it
end
for at, meter in ipairs(METERS) do
  meter.amount = tonumber(ARGV[REST + 1 + 2 * at])
  local limit = tonumber(ARGV[REST + 2 + 2 * at])
  if limit >= 0 and used(meter) + meter.amount > limit then
    return levels({0})
  end
end

local places = {}
for _, meter in ipairs(METERS) do
  if meter.amount > 0 then
    add(meter, meter.bucket, meter.amount)
    local held, bucket = HELD[meter.field], whole(meter.bucket)
    held[meter.bucket] = (held[meter.bucket] or 0) + meter.amount
    redis.call('HINCRBY', SPENT, meter.field .. '#' .. bucket .. 'h', whole(meter.amount))
    places[#places + 1] = meter.field .. APART .. bucket .. APART .. whole(meter.amount)
  end
end
redis.call('HSET', HOLDS, id, table.concat(places, APART) .. '\30' .. entry)
redis.call('ZADD', ENDS, now + lasts, id)
for _, key in ipairs({HOLDS, ENDS}) do
  redis.call('PEXPIRE', key, whole(math.max(redis.call('PTTL', key), lasts + 86400000)))
end
return levels({1})
