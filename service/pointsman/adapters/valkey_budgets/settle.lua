-- Puts what was used in the place of a hold. Behind the meters: id, the entry (empty: none), then what was used of each.
-- What was used without a hold leaves a mark for a minute: whoever has not heard that it was entered tries again when he can.

local id, entry = ARGV[REST], ARGV[REST + 1]
local hold = redis.call('HGET', HOLDS, id)
if not hold then
  if entry ~= '' and #METERS == 0 and redis.call('SET', ARGV[2] .. 'once:' .. id, '', 'NX', 'PX', 60000) then
    enter(entry, false)
  end
  return levels({0, 1})
end

redis.call('HDEL', HOLDS, id)
redis.call('ZREM', ENDS, id)
local held = {}
for _, place in ipairs(places_of(hold)) do
  held[place.field] = {bucket = tonumber(place.bucket), amount = tonumber(place.amount)}
  release(place.field, place.bucket, place.amount)
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
