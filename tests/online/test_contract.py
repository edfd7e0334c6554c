"""One contract, every store."""

from __future__ import annotations

import functools
import itertools
from operator import attrgetter

import pytest

from palette.online import LmdbStore, MemoryStore, NearCache, RedisStore
from palette.online.testing import CHECKS

NUMBERS = itertools.count()


def memory(request):
    return MemoryStore


def lmdb(request):
    home = request.getfixturevalue("tmp_path")
    return lambda definitions: LmdbStore(home / str(next(NUMBERS)), definitions, size=1 << 30)


def redis(request, **options):
    server = request.getfixturevalue("redis_server")
    return lambda definitions: RedisStore(server.unix_url, definitions, prefix=f"t{next(NUMBERS)}", **options)


def redis_tcp(request):
    server = request.getfixturevalue("redis_server")
    return lambda definitions: RedisStore(server.url, definitions, prefix=f"t{next(NUMBERS)}")


def cached_redis(request):
    make = redis(request)
    return lambda definitions: NearCache(make(definitions), size=500, ttl=60.0)


def tiny_cache(request):
    make = redis(request)
    return lambda definitions: NearCache(make(definitions), size=1, ttl=60.0, negative_ttl=0)


STORES = [memory, redis, redis_tcp, lmdb, cached_redis, tiny_cache]


@pytest.mark.parametrize("check", CHECKS, ids=attrgetter("__name__"))
@pytest.mark.parametrize("store", STORES, ids=attrgetter("__name__"))
def test_store_keeps_its_promises(check, store, request):
    make, made = store(request), []

    @functools.wraps(make)
    def remembered(definitions):
        made.append(make(definitions))
        return made[-1]

    check(remembered)
    for one in made:
        if not isinstance(one, MemoryStore):
            one.close()
