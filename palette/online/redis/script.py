"""The script by which Redis itself decides whether a value replaces another."""

from __future__ import annotations

import hashlib
from typing import Any

__all__ = ["ALWAYS", "NEWEST", "PUT", "REMOVE", "RESOLVED", "Write"]

NEWEST, RESOLVED, ALWAYS = "newest", "resolved", "always"

# See palette.online.codec.codec for the bytes. Event and created are compared here. Ties of both,
# and rows of another schema, are compared by the caller, who knows the types and repeats the write with the old value
# in `expected`, which counts only if it is still there. Replies: 1 written, 2 a deletion written where there was no
# row, 0 not written, or the old value. Bytes are compared one by one: Lua's `<` goes by the server's locale.
PUT = """
local key, field, new, mode, expected, expiry = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local function rank(mark)
  if mark == 3 then return 1 end
  return mark
end

local function order(a, b)
  local x, y = {string.byte(a, 9, 24)}, {string.byte(b, 9, 24)}
  x[1], y[1], x[9], y[9] = (x[1] + 128) % 256, (y[1] + 128) % 256, (x[9] + 128) % 256, (y[9] + 128) % 256
  local p, q = string.byte(a, 2), string.byte(b, 2)
  for i = 1, 8 do
    if x[i] ~= y[i] then return x[i] - y[i] end
  end
  if rank(p) ~= rank(q) then return rank(p) - rank(q) end
  for i = 9, 16 do
    if x[i] ~= y[i] then return x[i] - y[i] end
  end
  return p - q
end

local function expire(ttl, alone)
  if expiry == '' then
    if ttl >= 0 then redis.call('PERSIST', key) end
  elseif ttl == -2 or (ttl == -1 and alone) then
    redis.call('PEXPIREAT', key, expiry)
  elseif ttl >= 0 then
    local now = redis.call('TIME')
    if tonumber(expiry) > now[1] * 1000 + now[2] / 1000 + ttl then redis.call('PEXPIREAT', key, expiry) end
  end
end

local old = redis.call('HGET', key, field)
local row = false
if old then
  row = #old >= 24 and string.byte(old, 2) < 2
  if old ~= expected and mode ~= 'always' then
    if #old < 24 or string.sub(old, 1, 1) ~= string.sub(new, 1, 1) then return old end
    if string.sub(old, 3, 8) ~= string.sub(new, 3, 8) then return old end
    local sign = order(new, old)
    if sign < 0 then return 0 end
    if sign == 0 then
      if old == new then
        -- Put again, perhaps under a longer ttl.
        expire(redis.call('PTTL', key), redis.call('HLEN', key) == 1)
        return 0
      end
      if string.byte(new, 2) > 1 then return 0 end
      if mode ~= 'resolved' then return old end
    end
  end
end
local ttl = redis.call('PTTL', key)
redis.call('HSET', key, field, new)
expire(ttl, redis.call('HLEN', key) == 1)
if string.byte(new, 2) > 1 and not row then return 2 end
return 1
"""
# What was written since it was read stays.
REMOVE = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
"""
PUT_SHA = hashlib.sha1(PUT.encode(), usedforsecurity=False).hexdigest()


class Write:
    """A value to be written: a row, or a deletion at a time.

    Parameters
    ----------
    key, data : bytes
        Key and value.
    new : tuple or int
        The packed row, or the time of the deletion.
    expiry : bytes
        When the key may expire, in milliseconds; empty if never.

    Attributes
    ----------
    expected : bytes
        The old value over which the caller decided that it wins; empty until then.
    """

    __slots__ = ("data", "expected", "expiry", "key", "new")

    def __init__(self, key: bytes, data: bytes, new: tuple[Any, ...] | int, expiry: bytes) -> None:
        self.key = key
        self.data = data
        self.new = new
        self.expiry = expiry
        self.expected = b""

    def command(self, field: bytes, mode: str) -> tuple[Any, ...]:
        """Return the command that runs the script."""
        return ("EVALSHA", PUT_SHA, b"1", self.key, field, self.data, mode, self.expected, self.expiry)
