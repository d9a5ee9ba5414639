import asyncio
from asyncio import create_task, sleep

from conformance import Failure, log, main, scenario
from scenarios import park, steps, value


def loop():
    return asyncio.get_running_loop()


def raise_failure(text):
    raise Failure(text)


@scenario("call_soon: in the order of the calls, on the next turn")
async def _():
    for name in "abc":
        loop().call_soon(log, name)
    log("queued")
    await sleep(0)
    log("after")


@scenario("call_soon: what a callback queues comes a turn later")
async def _():
    def again(depth):
        log("depth", depth)
        if depth < 3:
            loop().call_soon(again, depth + 1)

    loop().call_soon(again, 0)
    for i in range(5):
        log("turn", i)
        await sleep(0)


@scenario("call_soon: tasks and callbacks share one queue")
async def _():
    loop().call_soon(log, "first")
    task = create_task(steps("task", 2))
    loop().call_soon(log, "last")
    await task


@scenario("call_soon: cancelled")
async def _():
    first = loop().call_soon(log, "first")
    second = loop().call_soon(log, "second")
    second.cancel()
    second.cancel()
    log(first.cancelled(), second.cancelled())
    await sleep(0)
    first.cancel()
    log("after", second.cancelled())


@scenario("call_soon: one callback cancels another of the same turn")
async def _():
    handles = []
    loop().call_soon(lambda: handles[0].cancel())
    handles.append(loop().call_soon(log, "never"))
    loop().call_soon(log, "last")
    await sleep(0)
    log("after")


@scenario("call_soon: an exception goes to the handler, the loop goes on")
async def _():
    loop().call_soon(raise_failure, "broken")
    loop().call_soon(log, "next")
    await sleep(0)
    log("after")


@scenario("call_later: in the order of time, not of the calls")
async def _():
    for delay, name in ((0.3, "c"), (0.1, "a"), (0.2, "b")):
        loop().call_later(delay, log, name)
    await sleep(0.4)
    log("after")


@scenario("call_later: zero and less come on the next turn")
async def _():
    loop().call_later(0, log, "zero")
    loop().call_soon(log, "soon")
    await sleep(0)
    log("one turn")
    await sleep(0)
    log("two turns")


@scenario("call_later: a timer queued in the turn of another")
async def _():
    def first():
        log("first")
        loop().call_later(0, log, "second")
        loop().call_soon(log, "soon")

    loop().call_later(0.1, first)
    await sleep(0.2)


@scenario("call_later: cancelled, also while it is due")
async def _():
    loop().call_later(0.1, log, "never").cancel()
    handles = []
    loop().call_later(0.2, lambda: handles[0].cancel())
    handles.append(loop().call_later(0.2001, log, "never"))
    await sleep(0.3)
    log(handles[0].cancelled())


@scenario("call_at: absolute, and when() says so")
async def _():
    handle = loop().call_at(0.25, lambda: log("now"))
    log(round(handle.when() * 1000))
    await sleep(0.3)
    log(round(handle.when() * 1000), handle.cancelled())


@scenario("call_at: the past is due at once")
async def _():
    await sleep(0.1)
    loop().call_at(0.05, log, "past")
    await sleep(0.05)


@scenario("a handler that throws does not stop the loop")
async def _():
    def handler(_, context):
        log("told", context["exception"])
        if str(context["exception"]) == "first":
            loop().set_exception_handler(lambda _, other: log("second handler", other["exception"]))

    loop().set_exception_handler(handler)
    loop().call_soon(raise_failure, "first")
    loop().call_soon(raise_failure, "second")
    await sleep(0)
    log("after")


@scenario("future: a result wakes its waiters on the next turn")
async def _():
    future = loop().create_future()

    async def waiter(name):
        log(name, await future)

    tasks = [create_task(waiter(name)) for name in "ab"]
    await sleep(0)
    future.set_result(7)
    log("set", future.done(), future.result())
    await sleep(0)
    log("a turn later")
    for task in tasks:
        await task


@scenario("future: an exception")
async def _():
    future = loop().create_future()
    future.set_exception(Failure("broken"))
    log(future.exception())
    try:
        await future
    except Failure as error:
        log(error)


@scenario("future: set twice")
async def _():
    future = loop().create_future()
    future.set_result(1)
    for again in (lambda: future.set_result(2), lambda: future.set_exception(Failure("late"))):
        try:
            again()
        except asyncio.InvalidStateError as error:
            log(error)
    log(future.result(), future.cancel())


@scenario("future: cancelled, with a message")
async def _():
    future = loop().create_future()
    task = create_task(sleep(0))

    async def waiter():
        await future

    task = create_task(waiter())
    await sleep(0)
    log(future.cancel("why"), future.cancelled(), future.cancel())
    try:
        await task
    except asyncio.CancelledError as error:
        log(error)
    log(task.cancelled())


@scenario("future: asked too early")
async def _():
    future = loop().create_future()
    for ask in (future.result, future.exception):
        try:
            ask()
        except asyncio.InvalidStateError as error:
            log(error)
    log(future.done(), future.cancelled())


@scenario("future: callbacks never run inside the call that sets")
async def _():
    future = loop().create_future()
    for name in "ab":
        future.add_done_callback(lambda done, name=name: log(name, done.result()))
    future.set_result(7)
    log("set")
    future.add_done_callback(lambda done: log("late"))
    await sleep(0)
    log("after")


@scenario("future: callbacks and waiters share one order")
async def _():
    future = loop().create_future()

    async def waiter(name):
        await future
        log(name)

    tasks = [create_task(waiter("waiter a"))]
    await sleep(0)
    future.add_done_callback(lambda _: log("callback"))
    tasks.append(create_task(waiter("waiter b")))
    await sleep(0)
    future.set_result(None)
    for task in tasks:
        await task


@scenario("future: a callback that throws does not keep the others from running")
async def _():
    future = loop().create_future()
    future.add_done_callback(lambda _: raise_failure("callback"))
    future.add_done_callback(lambda _: log("next"))
    future.set_result(None)
    await sleep(0)
    log("after")


@scenario("future: awaiting one that is done does not let others run")
async def _():
    future = loop().create_future()
    future.set_result(7)
    create_task(steps("other", 0))
    log(await future)
    await sleep(0)


@scenario("future: a cancelled waiter cancels it")
async def _():
    future = loop().create_future()

    async def waiter():
        await future

    task = create_task(waiter())
    await sleep(0)
    task.cancel()
    log("asked", future.cancelled())
    await sleep(0)
    log(future.cancelled(), task.cancelled())


@scenario("future: a result and a cancel of its waiter in one turn")
async def _():
    future = loop().create_future()

    async def waiter():
        try:
            log("got", await future)
        except asyncio.CancelledError as error:
            log(error)

    task = create_task(waiter())
    await sleep(0)
    future.set_result(7)
    task.cancel()
    await task
    log(future.result())


@scenario("call_later: those of the past come in the order of their times")
async def _():
    await sleep(5)
    for delay, name in ((-1, "a"), (-2, "b"), (0, "c"), (-3, "d")):
        loop().call_later(delay, log, name)
    await sleep(0.1)


if __name__ == "__main__":
    main()
