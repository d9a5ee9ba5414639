import asyncio
from asyncio import CancelledError, create_task, sleep

from conformance import Failure, log, main, scenario
from scenarios import failure_of, steps


def new_future():
    return asyncio.get_running_loop().create_future()


def failure_in(call, *args):
    try:
        call(*args)
    except BaseException as error:
        return error
    return None


async def waiter(name, future):
    try:
        result = await future
    except BaseException as error:
        log(name, error)
        raise
    log(name, result)


@scenario("future: pending, done, cancelled")
async def _():
    future = new_future()
    log(future.done(), future.cancelled(), failure_in(future.result), failure_in(future.exception))
    future.set_result(1)
    log(future.done(), future.cancelled(), future.result(), future.exception())
    log(failure_in(future.set_result, 2), failure_in(future.set_exception, Failure("late")), future.cancel())
    future = new_future()
    log(future.cancel(), future.cancel(), future.done(), future.cancelled())
    log(failure_in(future.result), failure_in(future.exception), failure_in(future.set_result, 2))


@scenario("future: set_result wakes on the next turn, in the order of waiting, behind what is queued")
async def _():
    loop = asyncio.get_running_loop()
    future = new_future()
    waiters = [create_task(waiter(name, future)) for name in "abc"]
    await sleep(0)
    loop.call_soon(log, "before")
    future.set_result(1)
    loop.call_soon(log, "after")
    log("set")
    for each in waiters:
        await each


@scenario("future: waiters and callbacks take turns in the order in which they came")
async def _():
    future = new_future()
    future.add_done_callback(lambda f: log("first", f.result()))
    a = create_task(waiter("a", future))
    await sleep(0)
    future.add_done_callback(lambda f: log("second"))
    b = create_task(waiter("b", future))
    await sleep(0)
    future.add_done_callback(lambda f: log("third"))
    future.set_result(1)
    log("set")
    await a
    await b
    await sleep(0)


@scenario("future: a callback that is added when it is done")
async def _():
    future = new_future()
    future.set_result(1)
    future.add_done_callback(lambda f: log("called", f.result()))
    log("added")
    await sleep(0)
    log("later")


@scenario("future: a callback that is taken back")
async def _():
    future = new_future()

    def one(f):
        log("one")

    def two(f):
        log("two")

    future.add_done_callback(one)
    future.add_done_callback(two)
    future.remove_done_callback(one)
    future.set_result(1)
    await sleep(0)
    log("later")


@scenario("future: a callback that adds one, and a callback that fails")
async def _():
    future = new_future()

    def fails(f):
        raise Failure("callback")

    def adds(f):
        log("adds")
        f.add_done_callback(lambda f: log("added"))

    future.add_done_callback(fails)
    future.add_done_callback(adds)
    future.set_result(1)
    await sleep(0)
    log("a turn later")
    await sleep(0)
    log("two turns later")


@scenario("future: callbacks come after a cancel and after a failure as well")
async def _():
    future = new_future()
    future.add_done_callback(lambda f: log("cancelled", f.cancelled()))
    future.cancel()
    failed = new_future()
    failed.add_done_callback(lambda f: log("failed", f.exception()))
    failed.set_exception(Failure("x"))
    log("both")
    await sleep(0)


@scenario("future: cancelled with a message, each waiter gets it")
async def _():
    future = new_future()
    a = create_task(waiter("a", future))
    await sleep(0)
    future.cancel("why")
    log(await failure_of(a))
    log(a.cancelled(), a.cancelling())


@scenario("future: a failure comes to every waiter, as often as it is awaited")
async def _():
    future = new_future()
    waiters = [create_task(waiter(name, future)) for name in "ab"]
    await sleep(0)
    future.set_exception(Failure("x"))
    for each in waiters:
        log(await failure_of(each))
    log(await failure_of(future))


@scenario("future: a failure that nobody takes goes to the handler")
async def _():
    future = new_future()
    future.set_exception(Failure("unheard"))
    log("set")
    del future
    log("gone")


@scenario("future: an exception that is a cancellation cancels the waiter, not the future")
async def _():
    future = new_future()
    a = create_task(waiter("a", future))
    await sleep(0)
    future.set_exception(CancelledError("own"))
    log(future.cancelled(), future.exception())
    log(await failure_of(a))
    log(a.cancelled())


@scenario("future: cancel of a waiter cancels the future")
async def _():
    future = new_future()
    a = create_task(waiter("a", future))
    await sleep(0)
    log(a.cancel("stop"), future.cancelled(), a.done())
    log(await failure_of(a))


@scenario("future: awaiting one that is done does not let others run")
async def _():
    future = new_future()
    future.set_result(1)
    other = create_task(steps("other", 1))
    log(await future)
    await other


@scenario("future: it and its waiter are cancelled in one turn, in either order")
async def _():
    for future_first in (True, False):
        future = new_future()
        a = create_task(waiter("a", future))
        await sleep(0)
        calls = [lambda: future.cancel("future"), lambda: a.cancel("task")]
        first, second = calls if future_first else reversed(calls)
        log(first(), second())
        log(await failure_of(a))
        log(future.cancelled(), a.cancelled(), a.cancelling())


@scenario("future: a failure that was taken, and a cancellation, do not go to the handler")
async def _():
    takers = (lambda future: future.exception(), lambda future: failure_in(future.result), lambda future: future)
    for take in takers:
        future = new_future()
        future.set_exception(Failure("heard"))
        taken = take(future)
        log(await failure_of(taken) if taken is future else taken)
        del future, taken
    future = new_future()
    future.cancel()
    del future
    log("silent")


if __name__ == "__main__":
    main()
