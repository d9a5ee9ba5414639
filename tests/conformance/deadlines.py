import asyncio
from asyncio import create_task, shield, sleep, timeout, wait_for

from conformance import Failure, log, main, scenario
from scenarios import fail, failure_of, park, steps, stubborn, value


async def clean_for(delay, name="cleaned"):
    try:
        await sleep(3600)
    finally:
        await sleep(delay)
        log(name)


@scenario("timeout: met, missed, and none")
async def _():
    async with timeout(0.2) as scope:
        await sleep(0.1)
    log(scope.expired())
    try:
        async with timeout(0.1) as scope:
            await park("body")
    except TimeoutError as error:
        log(error, scope.expired())
    async with timeout(None):
        await sleep(0.1)
    log(asyncio.current_task().cancelling())


@scenario("timeout: zero and the past fire at the first suspension")
async def _():
    for delay in (0, -1):
        try:
            async with timeout(delay):
                log("body begins")
                await sleep(0)
                log("one turn later")
                await sleep(0)
                log("two turns later")
        except TimeoutError as error:
            log(error)


@scenario("timeout: moved by another task")
async def _():
    scopes = []

    async def body():
        async with timeout(0.1) as scope:
            scopes.append(scope)
            await sleep(0.25)
        log("in time")

    task = create_task(body())
    await sleep(0.05)
    scopes[0].reschedule(asyncio.get_running_loop().time() + 0.25)
    await task


@scenario("timeout: a failure in the cleanup")
async def _():
    async def body():
        try:
            await sleep(3600)
        finally:
            raise Failure("cleanup")

    async def limited():
        async with timeout(0.1):
            await body()

    log(await failure_of(limited()))
    log(asyncio.current_task().cancelling())


@scenario("timeout: nested, each first once, and together")
async def _():
    for outer, inner in ((0.2, 0.1), (0.1, 0.2)):
        try:
            async with timeout(outer):
                try:
                    async with timeout(inner):
                        await sleep(3600)
                except TimeoutError as error:
                    log("inner", error)
                    await sleep(3600)
        except TimeoutError as error:
            log("outer", error)


@scenario("timeout: a cancellation from outside stays one")
async def _():
    async def body():
        async with timeout(1):
            await park("body")

    task = create_task(body())
    await sleep(0.1)
    task.cancel("outside")
    log(await failure_of(task))
    log(task.cancelled())


@scenario("timeout: a cancellation from outside during the cleanup after it expired")
async def _():
    async def body():
        async with timeout(0.1):
            await clean_for(0.5)

    task = create_task(body())
    await sleep(0.3)
    task.cancel("outside")
    log(await failure_of(task))
    log(task.cancelled(), task.cancelling())


@scenario("wait_for: met, missed, swallowed, failed")
async def _():
    log(await wait_for(value(0.1, 1), 0.2))
    log(await failure_of(wait_for(park("parked"), 0.1)))
    log(await wait_for(stubborn("stubborn", 1), 0.1))
    log(await failure_of(wait_for(fail(0.1, "broken"), 0.2)))
    log(asyncio.current_task().cancelling())


@scenario("wait_for: waits for the cleanup, which takes longer")
async def _():
    log(await failure_of(wait_for(clean_for(0.5), 0.1)))


@scenario("wait_for: no time, for what is done, what runs and what has not begun")
async def _():
    task = create_task(value(0, 1))
    await sleep(0.1)
    log(await wait_for(task, 0))
    running = create_task(clean_for(0.2))
    await sleep(0.1)
    log(await failure_of(wait_for(running, 0)))
    log(running.cancelled())


@scenario("wait_for: no time, and the turns it takes")
async def _():
    running = create_task(park("running"))
    await sleep(0)
    create_task(steps("other", 5))
    log(await failure_of(wait_for(running, 0)))
    await sleep(0.1)


@scenario("wait_for: no time, the turns of a coroutine and of a shield, and a cancel meanwhile")
async def _():
    create_task(steps("other", 5))
    log(await failure_of(wait_for(park("coroutine"), 0)))
    running = create_task(park("running"))
    await sleep(0)
    create_task(steps("other", 5))
    log(await failure_of(wait_for(shield(running), 0)))
    outer = create_task(wait_for(park("coroutine"), 0))
    shielded = create_task(wait_for(shield(running), 0))
    await sleep(0)
    log(outer.cancel("meanwhile"), shielded.cancel("meanwhile"))
    log(await failure_of(outer))
    log(await failure_of(shielded))
    log(running.cancel())
    log(await failure_of(running))
    await sleep(0.1)


@scenario("wait_for: no time, cancelled while the task cleans up")
async def _():
    running = create_task(clean_for(0.5))
    await sleep(0)
    outer = create_task(wait_for(running, 0))
    await sleep(0.1)
    outer.cancel("leave")
    log(await failure_of(outer))
    log(running.done(), running.cancelling())
    log(await failure_of(running))


@scenario("wait_for: cancelled from outside")
async def _():
    inner = create_task(clean_for(0.2))
    outer = create_task(wait_for(inner, 1))
    await sleep(0.1)
    outer.cancel("outside")
    log(await failure_of(outer))
    log(inner.cancelled(), outer.cancelled())


@scenario("wait_for: what it waits for is cancelled by somebody else")
async def _():
    inner = create_task(park("inner"))
    outer = create_task(wait_for(inner, 1))
    await sleep(0.1)
    inner.cancel()
    log(await failure_of(outer))


@scenario("wait_for: cancelled in the turn in which the task ends")
async def _():
    async def at_once():
        return "done"

    inner = create_task(at_once())
    outer = create_task(wait_for(inner, 100))
    await sleep(0)
    outer.cancel()
    log(await failure_of(outer))
    log(await inner)


@scenario("wait_for: no time, and a failure in the cleanup")
async def _():
    async def body():
        try:
            await sleep(3600)
        finally:
            raise Failure("cleanup")

    running = create_task(body())
    await sleep(0)
    log(await failure_of(wait_for(running, 0)))
    log(running.done(), running.cancelled())


@scenario("wait_for: without a limit, cancelled from outside")
async def _():
    inner = create_task(park("inner"))
    outer = create_task(wait_for(inner, None))
    await sleep(0.1)
    outer.cancel("outside")
    log(await failure_of(outer))
    log(inner.cancelled(), outer.cancelled())


if __name__ == "__main__":
    main()
