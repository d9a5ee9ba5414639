import asyncio
from asyncio import create_task, shield, sleep

from conformance import log, main, scenario
from scenarios import fail, failure_of, park, steps, stubborn, value


async def shielded(name, task):
    try:
        result = await shield(task)
    except BaseException as error:
        log(name, error)
        raise
    log(name, result)
    return result


@scenario("shield: gives the result")
async def _():
    log(await shield(create_task(value(0.1, 1))))


@scenario("shield: throws the failure")
async def _():
    log(await failure_of(shield(create_task(fail(0.1, "broken")))))


@scenario("shield: what is done comes without a turn")
async def _():
    task = create_task(value(0, 1))
    await task
    other = create_task(steps("other", 1))
    log(await shield(task))
    await other


@scenario("shield: goes on two turns after the end, the direct awaiter one")
async def _():
    async def quick():
        log("quick ends")
        return 1

    async def direct(task):
        log("direct", await task)

    task = create_task(quick())
    waiters = [create_task(steps("other", 5)), create_task(shielded("shielded", task)), create_task(direct(task))]
    for each in waiters:
        await each


@scenario("shield: cancelled outside, the task goes on")
async def _():
    task = create_task(value(0.3, 7))
    outer = create_task(shielded("outer", task))
    await sleep(0.1)
    log(outer.cancel("leave"))
    await sleep(0)
    log(outer.cancelled(), task.done(), task.cancelling())
    log(await task)


@scenario("shield: cancelled inside, the awaiting task gets it too and is not cancelled")
async def _():
    task = create_task(park("task"))

    async def waiter():
        log(type(await failure_of(shield(task))).__name__)
        log(asyncio.current_task().cancelling())
        await sleep(0.1)
        log("goes on")

    outer = create_task(waiter())
    await sleep(0.1)
    task.cancel()
    await outer


@scenario("shield: what fails after the awaiting task has left goes to the handler")
async def _():
    outer = create_task(shielded("outer", create_task(fail(0.2, "unheard"))))
    await sleep(0.1)
    outer.cancel()
    log(await failure_of(outer))
    await sleep(0.2)
    log("later")


@scenario("shield: cancelled on the turn of the end, or one later")
async def _():
    for turns in (0, 1):
        future = asyncio.get_running_loop().create_future()
        outer = create_task(shielded("outer", future))
        await sleep(0.1)
        future.set_result(1)
        for _ in range(turns):
            await sleep(0)
        log("asked", outer.cancel())
        for i in range(3):
            await sleep(0)
            log("turn", i, outer.done())
        log(await failure_of(outer))


@scenario("shield: cancelled before it begins")
async def _():
    task = create_task(value(0.1, 1))

    async def waiter():
        asyncio.current_task().cancel()
        await shielded("outer", task)

    outer = create_task(waiter())
    for i in range(3):
        await sleep(0)
        log("turn", i, outer.done())
    log(await failure_of(outer))
    log(await task)


@scenario("shield: chained")
async def _():
    task = create_task(value(0.5, 7))
    middle = create_task(shielded("middle", task))
    outer = create_task(shielded("outer", middle))
    await sleep(0.1)
    outer.cancel()
    log(await failure_of(outer))
    log(middle.done())
    middle.cancel()
    log(await failure_of(middle))
    log(await task)


@scenario("shield: in a timeout, with and without time")
async def _():
    task = create_task(value(0.3, 7))
    log(await failure_of(asyncio.wait_for(shield(task), 0.1)))
    log(await failure_of(asyncio.wait_for(shield(task), 0)))
    log(await asyncio.wait_for(shield(task), 1))
    log(await asyncio.wait_for(shield(task), 0))


@scenario("shield: a cleanup that a second cancel does not reach")
async def _():
    async def cleanup():
        await sleep(0.2)
        log("clean")

    async def body():
        cleaning = create_task(cleanup())
        try:
            await sleep(3600)
        finally:
            await shield(cleaning)

    task = create_task(body())
    await sleep(0.1)
    task.cancel("first")
    await sleep(0)
    task.cancel("second")
    log(await failure_of(task))
    await sleep(0.2)


@scenario("shield: around one that refuses to be cancelled")
async def _():
    task = create_task(stubborn("stubborn", 1))
    outer = create_task(shielded("outer", task))
    await sleep(0.1)
    outer.cancel()
    log(await failure_of(outer))
    task.cancel()
    log(await task)


@scenario("shield: inside a gather, and around one")
async def _():
    first, second = create_task(value(0.3, 1)), create_task(value(0.4, 2))

    async def gathers_shields():
        await asyncio.gather(shield(first), shield(second))

    gathering = create_task(gathers_shields())
    await sleep(0.1)
    gathering.cancel("leave")
    log(await failure_of(gathering))
    log(first.done(), first.cancelling(), second.done(), second.cancelling())

    async def total():
        return sum(await asyncio.gather(first, second))

    gathering = create_task(total())
    outer = create_task(shielded("outer", gathering))
    await sleep(0.1)
    outer.cancel("leave")
    log(await failure_of(outer))
    log(await gathering)


if __name__ == "__main__":
    main()
