import asyncio
from asyncio import CancelledError, create_task, current_task, sleep, timeout, timeout_at, wait_for

from conformance import Failure, log, main, scenario
from scenarios import fail, failure_of, park, steps, stubborn, value


def now():
    return asyncio.get_running_loop().time()


def ms(when):
    return "none" if when is None else round(when * 1000)


@scenario("timeout: a body in time gives its value")
async def _():
    async with timeout(0.2) as scope:
        got = await value(0.1, 7)
    log("got", got, scope.expired(), ms(scope.when()))


@scenario("timeout: a body that is too slow is cancelled")
async def _():
    async def body():
        async with timeout(0.1):
            await park("body")

    log(await failure_of(body()))
    log(current_task().cancelling())


@scenario("timeout: the body's cleanup may take longer than the deadline")
async def _():
    async def body():
        async with timeout(0.1):
            try:
                await sleep(3600)
            except CancelledError:
                await sleep(0.5)
                log("cleaned")
                raise

    log(await failure_of(body()))


@scenario("timeout: of zero expires at the first wait, not before")
async def _():
    async def body():
        async with timeout(0):
            log("before")
            await sleep(0)
            log("after one turn")
            await sleep(0)
            log("after two turns")

    log(await failure_of(body()))


@scenario("timeout: of zero around a body that never waits")
async def _():
    async with timeout(0) as scope:
        log("inside")
    log(scope.expired())


@scenario("timeout: in the past")
async def _():
    async def body():
        async with timeout(-1):
            await park("body")

    await sleep(0.05)
    log(await failure_of(body()))


@scenario("timeout: none never expires")
async def _():
    async with timeout(None) as scope:
        log(ms(scope.when()))
        await sleep(3600)
    log(scope.expired())


@scenario("timeout_at: a deadline on the loop's clock")
async def _():
    await sleep(0.1)

    async def body():
        async with timeout_at(now() + 0.25) as scope:
            log(ms(scope.when()))
            await park("body")

    log(await failure_of(body()))


@scenario("timeout: another exception passes through")
async def _():
    seen = []

    async def body():
        async with timeout(0.2) as scope:
            seen.append(scope)
            await fail(0.1, "broken")

    log(await failure_of(body()))
    log(seen[0].expired())


@scenario("timeout: an exception in the cleanup replaces TimeoutError")
async def _():
    async def body():
        async with timeout(0.1):
            try:
                await sleep(3600)
            except CancelledError:
                raise Failure("cleanup")

    log(await failure_of(body()))
    log(current_task().cancelling())


@scenario("timeout: a body that swallows the cancellation")
async def _():
    async with timeout(0.1) as scope:
        log(await stubborn("body", 1))
    log(scope.expired(), current_task().cancelling())


@scenario("timeout: a cancel from outside stays a cancel")
async def _():
    async def body():
        async with timeout(0.2):
            await park("body")

    task = create_task(body())
    await sleep(0.1)
    task.cancel("outside")
    log(await failure_of(task))
    log(task.cancelled())


@scenario("timeout: a cancel from outside during the cleanup after the deadline")
async def _():
    async def body():
        async with timeout(0.1):
            try:
                await sleep(3600)
            except CancelledError:
                log("deadline")
                await sleep(3600)

    task = create_task(body())
    await sleep(0.2)
    task.cancel()
    log(await failure_of(task))
    log(task.cancelled())


@scenario("timeout: a cancel in the turn of the deadline")
async def _():
    async def body():
        async with timeout(0.1):
            await park("body")

    task = create_task(body())
    asyncio.get_running_loop().call_at(0.1, task.cancel)
    log(await failure_of(task))


@scenario("timeout: inner expires first")
async def _():
    async with timeout(0.2) as outer:
        try:
            async with timeout(0.1) as inner:
                await park("body")
        except TimeoutError as error:
            log("inner", error)
        await sleep(0.05)
    log(outer.expired(), inner.expired())


@scenario("timeout: outer expires first")
async def _():
    async def body():
        async with timeout(0.1):
            try:
                async with timeout(0.2):
                    await park("body")
            except TimeoutError:
                log("inner")

    log(await failure_of(body()))


@scenario("timeout: both expire together, the outer one throws")
async def _():
    async def body():
        async with timeout(0.1):
            try:
                async with timeout(0.1):
                    await park("body")
            except TimeoutError:
                log("inner")

    log(await failure_of(body()))
    log(current_task().cancelling())


@scenario("timeout: rescheduled to later, earlier, never")
async def _():
    async with timeout(0.1) as scope:
        scope.reschedule(now() + 0.3)
        await sleep(0.2)
        log(ms(scope.when()), scope.expired())
        scope.reschedule(None)
        await sleep(0.5)
        log(ms(scope.when()), scope.expired())

    async def body():
        async with timeout(3600) as scope:
            scope.reschedule(now() + 0.1)
            await park("body")

    log(await failure_of(body()))


@scenario("timeout: rescheduled after it has expired")
async def _():
    async def body():
        async with timeout(0.1) as scope:
            try:
                await sleep(3600)
            except CancelledError:
                try:
                    scope.reschedule(None)
                except RuntimeError as error:
                    log(error)
                raise

    log(await failure_of(body()))


@scenario("timeout: a scope may follow another one that expired")
async def _():
    for _ in range(2):
        try:
            async with timeout(0.1):
                await sleep(3600)
        except TimeoutError as error:
            log(error)


@scenario("timeout: inside the cleanup of a cancelled task", since=(3, 13))
async def _():
    async def body():
        try:
            await sleep(3600)
        except CancelledError:
            try:
                async with timeout(0.1):
                    await sleep(3600)
            except TimeoutError as error:
                log(error)
            raise

    task = create_task(body())
    await sleep(0.1)
    task.cancel()
    log(await failure_of(task))
    log(task.cancelled(), task.cancelling())


@scenario("wait_for: a result in time")
async def _():
    log(await wait_for(value(0.1, 7), 0.2))


@scenario("wait_for: too slow is cancelled")
async def _():
    log(await failure_of(wait_for(park("body"), 0.1)))


@scenario("wait_for: waits for the cleanup")
async def _():
    async def body():
        try:
            await sleep(3600)
        finally:
            await sleep(0.5)
            log("cleaned")

    log(await failure_of(wait_for(body(), 0.1)))


@scenario("wait_for: what swallows the cancellation gives its value")
async def _():
    log(await wait_for(stubborn("body", 1), 0.1))


@scenario("wait_for: what fails in its cleanup throws that")
async def _():
    async def body():
        try:
            await sleep(3600)
        except CancelledError:
            raise Failure("cleanup")

    log(await failure_of(wait_for(body(), 0.1)))


@scenario("wait_for: zero never starts a coroutine")
async def _():
    log(await failure_of(wait_for(steps("never", 1), 0)))


@scenario("wait_for: zero gives the result of a task that is done")
async def _():
    task = create_task(value(0, 7))
    await task
    log(await wait_for(task, 0))


@scenario("wait_for: zero cancels a task that is not done")
async def _():
    task = create_task(park("task"))
    await sleep(0)
    log(await failure_of(wait_for(task, 0)))
    log(task.cancelled())


@scenario("wait_for: no limit")
async def _():
    log(await wait_for(value(3600, 7), None))


@scenario("wait_for: a result in the turn of the deadline", since=(3, 12))
async def _():
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_at(0.1, future.set_result, 7)

    async def body():
        return await wait_for(future, 0.1)

    log(await failure_of(body()))
    log(future.done(), future.cancelled())


@scenario("wait_for: a cancel from outside cancels what it waits for", since=(3, 12))
async def _():
    inner = create_task(park("inner"))
    outer = create_task(wait_for(inner, 3600))
    await sleep(0.1)
    outer.cancel("outside")
    log(await failure_of(outer))
    log(inner.cancelled(), outer.cancelled())


@scenario("wait_for: a task cancelled by others")
async def _():
    inner = create_task(park("inner"))
    outer = create_task(wait_for(inner, 3600))
    await sleep(0.1)
    inner.cancel("others")
    log(await failure_of(outer))
    log(outer.cancelled())


@scenario("wait_for: nested")
async def _():
    async def inner():
        return await failure_of(wait_for(park("body"), 0.1))

    log(await wait_for(inner(), 0.2))


@scenario("timeout: a cancel inside it of a task that has swallowed one before")
async def _():
    async def body():
        current_task().cancel("first")
        log(await failure_of(sleep(1)))
        async with timeout(1):
            current_task().cancel("second")
            await park("body")

    task = create_task(body())
    log(await failure_of(task))
    log(task.cancelled(), task.cancelling())


@scenario("timeout: inside the cleanup after another one has expired", since=(3, 13))
async def _():
    async def cleanup():
        async with timeout(0.1):
            await park("cleanup")

    async def body():
        async with timeout(0.1):
            try:
                await sleep(3600)
            except CancelledError:
                log(await failure_of(cleanup()))
                raise

    log(await failure_of(body()))
    log(current_task().cancelling())


@scenario("timeout: around a task group whose task fails in its cleanup", since=(3, 13))
async def _():
    async def fail_in_cleanup():
        try:
            await sleep(3600)
        except CancelledError:
            raise Failure("cleanup")

    async def body():
        async with timeout(0.1):
            async with asyncio.TaskGroup() as group:
                group.create_task(fail_in_cleanup())
                await park("body")

    log(await failure_of(body()))
    log(current_task().cancelling())


if __name__ == "__main__":
    main()
