-- Puts what was used in the place of a hold. Behind the meters: id, the entry (empty: none), then what was used of each.

local id, entry = ARGV[REST], ARGV[REST + 1]
local hold = redis.call('HGET', HOLDS, id)
if not hold then
  if entry ~= '' and #METERS == 0 then
    enter(entry, false)
  end
  return levels({0, 1})
end

redis.call('HDEL', HOLDS, id)
redis.call('ZREM', ENDS, id)
local places, held = parts(hold:sub(1, hold:find('\30', 1, true) - 1)), {}
for at = 1, #places - 2, 3 do
  held[places[at]] = {bucket = tonumber(places[at + 1]), amount = tonumber(places[at + 2])}
end

local beyond = 0
for at, meter in ipairs(METERS) do
  local actual, place = tonumber(ARGV[REST + 1 + at]), held[meter.field] or {bucket = meter.bucket, amount = 0}
  add(meter, place.bucket, actual - place.amount)
  if actual > place.amount then
    beyond = 1
  end
end
if entry ~= '' then
  enter(entry, false)
end
return levels({beyond, 0})
