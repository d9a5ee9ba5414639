import asyncio
from asyncio import CancelledError, create_task, gather, sleep

from conformance import log, main, scenario
from scenarios import fail, failure_of, park, steps, stubborn, value


@scenario("gather: results come in the order of the arguments")
async def _():
    log(await gather(value(0.3, 1), value(0.1, 2), value(0.2, 3)))


@scenario("gather: of nothing is an empty list, without a turn")
async def _():
    create_task(steps("other", 1))
    log(await gather())
    await sleep(0)
    await sleep(0)


@scenario("gather: starts its coroutines in the order of the arguments")
async def _():
    await gather(steps("a", 2), steps("b", 1), steps("c", 2))
    log("gathered")


@scenario("gather: takes tasks and futures too")
async def _():
    future = asyncio.get_running_loop().create_future()
    task = create_task(value(0.2, 1))
    asyncio.get_running_loop().call_later(0.1, future.set_result, 2)
    log(await gather(task, future, value(0.3, 3)))


@scenario("gather: of tasks that are done does not let others run", since=(3, 12))
async def _():
    task = create_task(value(0, 1))
    await task
    create_task(steps("other", 1))
    log(await gather(task))
    await sleep(0)
    await sleep(0)


@scenario("gather: goes on two turns after the last child has ended")
async def _():
    async def ticker():
        for i in range(5):
            log("tick", i)
            await sleep(0)

    async def quick():
        log("quick ends")

    create_task(ticker())
    await gather(quick())
    log("gathered")
    await sleep(0)
    await sleep(0)
    await sleep(0)


@scenario("gather: a task's failure comes at once, the other tasks run on")
async def _():
    other = create_task(value(0.5, 1))
    log(await failure_of(gather(create_task(fail(0.1, "broken")), other)))
    log(other.done())
    log(await other)


@scenario("gather: the first failure in time is the one")
async def _():
    tasks = [create_task(fail(0.3, "late")), create_task(fail(0.1, "early")), create_task(fail(0.2, "between"))]
    log(await failure_of(gather(*tasks)))
    await sleep(1)
    for task in tasks:
        log(task.exception())


@scenario("gather: a coroutine's failure and its siblings")
async def _():
    async def sibling():
        try:
            await sleep(1)
            log("sibling finished")
        except CancelledError:
            log("sibling cancelled")
            raise

    log(await failure_of(gather(fail(0.1, "broken"), sibling())))
    await sleep(2)


@scenario("gather: failures as results")
async def _():
    log(await gather(value(0.1, 1), fail(0.2, "two"), value(0.3, 3), return_exceptions=True))


@scenario("gather: a cancelled child is a failure too")
async def _():
    child = create_task(park("child"))
    other = create_task(value(1, 1))
    asyncio.get_running_loop().call_later(0.1, child.cancel)
    log(await failure_of(gather(child, other)))
    log(await other)


@scenario("gather: cancelling it cancels all its children")
async def _():
    task = create_task(value(10, 1))

    async def body():
        await gather(park("a"), park("b"), task)

    gathering = create_task(body())
    await sleep(0.1)
    gathering.cancel()
    log(await failure_of(gathering))
    log(task.cancelled())


@scenario("gather: cancelling it waits for the children's cleanup")
async def _():
    async def slow():
        try:
            await sleep(3600)
        except CancelledError:
            await sleep(1)
            log("slow is clean")
            raise

    async def body():
        await gather(slow(), park("b"))

    gathering = create_task(body())
    await sleep(0.1)
    gathering.cancel()
    log(await failure_of(gathering))
    await sleep(2)


@scenario("gather: cancelled, with children that refuse")
async def _():
    async def body():
        log(await gather(stubborn("a", 1), stubborn("b", 1)))

    gathering = create_task(body())
    await sleep(0.1)
    gathering.cancel()
    log(await failure_of(gathering), gathering.cancelled())


@scenario("gather: of the same task twice gives its result twice")
async def _():
    task = create_task(value(0.1, 7))
    log(await gather(task, task))


@scenario("gather: nested")
async def _():
    async def pair(a, b):
        return sum(await gather(value(0.1, a), value(0.2, b)))

    log(await gather(pair(1, 2), pair(3, 4)))


@scenario("gather: failures as results, cancelled children among them")
async def _():
    cancelled = create_task(value(1, 1))
    asyncio.get_running_loop().call_later(0.1, cancelled.cancel)
    failing = create_task(fail(0.2, "two"))
    log(await gather(cancelled, failing, create_task(value(0.3, 3)), return_exceptions=True))


@scenario("gather: failures as results: cancelling it is none")
async def _():
    async def body():
        log("never", await gather(value(1, 1), return_exceptions=True))

    task = create_task(body())
    await sleep(0.1)
    task.cancel("enough")
    log(await failure_of(task))


@scenario("gather: cancelled on the turn in which its children end, or one later")
async def _():
    for turns in (0, 1):
        future = asyncio.get_running_loop().create_future()

        async def body():
            try:
                await gather(future)
            finally:
                log("body ends")

        task = create_task(body())
        await sleep(0.1)
        future.set_result(1)
        for _ in range(turns):
            await sleep(0)
        log("asked", task.cancel())
        for i in range(3):
            await sleep(0)
            log("turn", i, task.done())
        log(await failure_of(task))


if __name__ == "__main__":
    main()
