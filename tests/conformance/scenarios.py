"""Coroutines that many scenarios use; their C++ halves are in scenarios.hpp."""
from asyncio import CancelledError, sleep

from conformance import Failure, log


async def value(delay, result):
    await sleep(delay)
    return result


async def fail(delay, text):
    await sleep(delay)
    raise Failure(text)


async def steps(name, count):
    for i in range(count):
        log(name, i)
        await sleep(0)
    log(name, "ends")


async def park(name):
    try:
        await sleep(3600)
    except CancelledError as error:
        log(name, error)
        raise


async def stubborn(name, times):
    for _ in range(times):
        try:
            await sleep(3600)
        except CancelledError as error:
            log(name, "ignores", error)
    return name


async def failure_of(awaitable):
    try:
        await awaitable
    except BaseException as error:
        return error
    return None


async def clean_slowly(name, delay):
    try:
        await sleep(3600)
    finally:
        await sleep(delay)
        log(name, "cleaned")


async def fail_in_cleanup(text, delay):
    try:
        await sleep(3600)
    except CancelledError:
        await sleep(delay)
        raise Failure(text)


def failure_in(call, *args):
    try:
        call(*args)
    except Exception as error:
        return error
    return None


async def turns(count):
    for i in range(count):
        log("turn", i)
        await sleep(0)
