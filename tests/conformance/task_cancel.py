import asyncio
from asyncio import CancelledError, create_task, current_task, sleep

from conformance import Failure, log, main, scenario
from scenarios import failure_of, park, steps, stubborn, value


@scenario("cancel before the first step: the body never runs")
async def _():
    task = create_task(steps("never", 1))
    log(task.cancel())
    log(task.done(), task.cancelled())
    log(await failure_of(task))
    log(task.done(), task.cancelled())


@scenario("cancel is delivered on a later turn")
async def _():
    task = create_task(park("a"))
    await sleep(0)
    log(task.cancel(), task.done(), task.cancelling())
    await sleep(0)
    log(task.done(), task.cancelled())


@scenario("cancel carries its message")
async def _():
    task = create_task(park("a"))
    await sleep(0.5)
    task.cancel("enough")
    log(await failure_of(task))


@scenario("two cancels before delivery: one delivery, a count of two, the first message")
async def _():
    task = create_task(stubborn("a", 1))
    await sleep(0)
    log(task.cancel("first"), task.cancel("second"), task.cancelling())
    log(await task, task.cancelled(), task.cancelling())


@scenario("two cancels one after the other: two deliveries")
async def _():
    task = create_task(stubborn("a", 2))
    await sleep(0)
    task.cancel("first")
    await sleep(0)
    task.cancel("second")
    log(await task, task.cancelling())


@scenario("cancel of a task that is done says false")
async def _():
    task = create_task(value(0, 1))
    await task
    log(task.cancel(), task.cancelled(), task.result())


@scenario("a task that cancels itself gets it at its next wait")
async def _():
    async def body():
        log(current_task().cancel("self"))
        log("goes on")
        try:
            await sleep(1)
        except CancelledError as error:
            log(error)
            raise

    log(await failure_of(create_task(body())))


@scenario("a task that cancels itself and returns ends cancelled")
async def _():
    async def body():
        current_task().cancel()
        return 1

    task = create_task(body())
    log(await failure_of(task), task.cancelled())


@scenario("a task that swallows the cancellation ends with its value")
async def _():
    task = create_task(stubborn("a", 1))
    await sleep(0)
    task.cancel()
    log(await task, task.cancelled(), task.cancelling())


@scenario("a task that answers the cancellation with a failure fails")
async def _():
    async def body():
        try:
            await sleep(3600)
        except CancelledError:
            raise Failure("instead") from None

    task = create_task(body())
    await sleep(0)
    task.cancel()
    log(await failure_of(task), task.cancelled())


@scenario("cancel passes on to what the task awaits, and comes back")
async def _():
    inner = create_task(park("inner"))

    async def outer():
        try:
            await inner
        except CancelledError as error:
            log("outer", error)
            raise

    task = create_task(outer())
    await sleep(0.1)
    task.cancel("stop")
    log(await failure_of(task), inner.cancelled(), inner.cancelling())


@scenario("a cancelled outer task gets the value of an inner one that refuses")
async def _():
    inner = create_task(stubborn("inner", 1))

    async def outer():
        result = await inner
        log("outer got", result, current_task().cancelling())
        return result

    task = create_task(outer())
    await sleep(0.1)
    task.cancel()
    log(await task, task.cancelled())


@scenario("cancel of one of two waiters cancels the task, and so reaches the other")
async def _():
    task = create_task(park("task"))

    async def waiter(name):
        error = await failure_of(task)
        log(name, error)

    a = create_task(waiter("a"))
    b = create_task(waiter("b"))
    await sleep(0)
    await sleep(0)
    a.cancel("stop")
    await a
    await b
    log(task.cancelled())


@scenario("uncancel counts down to zero and no further")
async def _():
    task = create_task(stubborn("a", 1))
    await sleep(0)
    task.cancel()
    task.cancel()
    log(task.uncancel(), task.uncancel(), task.uncancel(), task.cancelling())
    log(await task)


@scenario("cleanup may wait while the cancellation passes")
async def _():
    async def body():
        try:
            await sleep(3600)
        except CancelledError:
            log("cleans")
            await sleep(1)
            log("clean")
            raise

    task = create_task(body())
    await sleep(0.5)
    task.cancel()
    log(await failure_of(task))


@scenario("a second cancel interrupts the cleanup")
async def _():
    async def body():
        try:
            await sleep(3600)
        except CancelledError:
            error = await failure_of(sleep(1))
            log("cleanup", error)
            raise

    task = create_task(body())
    await sleep(0.5)
    task.cancel("first")
    await sleep(0.5)
    task.cancel("second")
    log(await failure_of(task), task.cancelling())


@scenario("uncancel takes back a cancellation that has not been delivered", since=(3, 13))
async def _():
    future = asyncio.get_running_loop().create_future()

    async def body():
        await future
        log("goes on", current_task().cancelling())

    waiting = create_task(body())
    await sleep(0)
    future.set_result(None)
    log(waiting.cancel(), waiting.uncancel())
    log(await failure_of(waiting))
    starting = create_task(steps("starting", 1))
    log(starting.cancel(), starting.cancel(), starting.uncancel(), starting.uncancel())
    log(await failure_of(starting))


@scenario("uncancel: a timeout by hand")
async def _():
    loop = asyncio.get_running_loop()

    async def limited(delay, limit):
        task = current_task()
        expired = False

        def expire():
            nonlocal expired
            expired = True
            task.cancel()

        timer = loop.call_later(limit, expire)
        try:
            await sleep(delay)
            log("in time")
        except CancelledError:
            if not expired or task.uncancel() != 0:
                raise
            log("expired")
        finally:
            timer.cancel()
        await sleep(0.1)
        log("goes on", task.cancelling())

    await create_task(limited(1, 0.1))
    await create_task(limited(0.1, 1))
    task = create_task(limited(1, 0.1))
    loop.call_later(0.1, task.cancel)
    log(await failure_of(task))


@scenario("the message of a cancel is in what result and exception throw")
async def _():
    for call in (asyncio.Task.result, asyncio.Task.exception):
        for turns in (0, 1):
            task = create_task(park("task"))
            for _ in range(turns):
                await sleep(0)
            task.cancel("why")
            await asyncio.wait([task])
            try:
                call(task)
            except CancelledError as error:
                log(error)


@scenario("a task that cancels itself and awaits a task cancels that, and what it waits for")
async def _():
    future = asyncio.get_running_loop().create_future()

    async def waiter():
        await future

    inner = create_task(waiter())
    await sleep(0)

    async def body():
        current_task().cancel("self")
        await inner

    task = create_task(body())
    log(await failure_of(task))
    log(task.cancelled(), inner.cancelled(), future.cancelled())


if __name__ == "__main__":
    main()
