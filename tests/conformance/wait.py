import asyncio
from asyncio import ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, create_task, sleep

from conformance import log, main, scenario
from scenarios import fail, failure_of, park, steps, stubborn, value


async def waited(tasks, **options):
    """Waits, and logs which of the tasks are done, by their numbers."""
    done, pending = await asyncio.wait(tasks, **options)
    log("done", [i for i, task in enumerate(tasks) if task in done])
    log("pending", [i for i, task in enumerate(tasks) if task in pending])


def values(*delays):
    return [create_task(value(delay, i)) for i, delay in enumerate(delays)]


async def end(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@scenario("wait: for all")
async def _():
    await waited(values(0.3, 0.1, 0.2))


@scenario("wait: for the first")
async def _():
    tasks = values(0.3, 0.1, 0.2)
    await waited(tasks, return_when=FIRST_COMPLETED)
    await end(tasks)


@scenario("wait: for the first exception")
async def _():
    tasks = values(0.1, 0.4) + [create_task(fail(0.2, "broken")), create_task(fail(0.3, "late"))]
    await waited(tasks, return_when=FIRST_EXCEPTION)
    log(await failure_of(tasks[2]))
    await end(tasks)


@scenario("wait: for the first exception, of which there is none; one is cancelled")
async def _():
    tasks = values(0.1, 0.3, 0.2)
    tasks[2].cancel()
    await waited(tasks, return_when=FIRST_EXCEPTION)


@scenario("wait: a failure is a completion")
async def _():
    tasks = values(0.3) + [create_task(fail(0.2, "broken"))]
    await waited(tasks, return_when=FIRST_COMPLETED)
    log(await failure_of(tasks[1]))
    await end(tasks)


@scenario("wait: a timeout cancels nothing")
async def _():
    tasks = values(0.1, 0.3)
    await waited(tasks, timeout=0.2)
    log(tasks[1].cancelling())
    await waited(tasks)


@scenario("wait: no time at all")
async def _():
    tasks = values(0.1)
    create_task(steps("other", 4))
    await waited(tasks, timeout=0)
    await sleep(0.2)
    create_task(steps("other", 4))
    await waited(tasks, timeout=0)
    await sleep(0.2)


@scenario("wait: for what is done takes two turns")
async def _():
    tasks = values(0, 0)
    await sleep(0.1)
    for when in (FIRST_COMPLETED, FIRST_EXCEPTION, ALL_COMPLETED):
        other = create_task(steps("other", 4))
        await waited(tasks, return_when=when)
        await other


@scenario("wait: goes on two turns after the last has ended")
async def _():
    async def quick():
        log("quick ends")

    create_task(steps("other", 5))
    await waited([create_task(quick())])
    await sleep(0.1)


@scenario("wait: counts what ends while its wake-up is under way")
async def _():
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(4)]

    def chain(i):
        log("set", i)
        futures[i].set_result(i)
        if i + 1 < len(futures):
            loop.call_soon(chain, i + 1)

    loop.call_later(0.1, chain, 0)
    await waited(futures, return_when=FIRST_COMPLETED)
    await sleep(0.1)


@scenario("wait: of nothing is an error")
async def _():
    log(await failure_of(asyncio.wait([])))


@scenario("wait: the same task twice")
async def _():
    task = create_task(value(0.1, 1))
    done, pending = await asyncio.wait([task, task])
    log(len(done), len(pending))


@scenario("wait: several wait for the same tasks, and go on in the order in which they came")
async def _():
    tasks = values(0.1, 0.2)

    async def waiter(name, when):
        done, pending = await asyncio.wait(tasks, return_when=when)
        log(name, len(done), len(pending))

    async def awaiter(name, task):
        log(name, await task)

    waiters = [create_task(waiter("all", ALL_COMPLETED)), create_task(awaiter("direct", tasks[1])),
               create_task(waiter("first", FIRST_COMPLETED)), create_task(waiter("all again", ALL_COMPLETED))]
    for each in waiters:
        await each


@scenario("wait: cancelled, it leaves the tasks alone")
async def _():
    tasks = values(0.3)

    async def waiter():
        await asyncio.wait(tasks, timeout=1)

    task = create_task(waiter())
    await sleep(0.1)
    task.cancel("enough")
    log(await failure_of(task))
    log(tasks[0].cancelling())
    log(await tasks[0])


@scenario("wait: cancelled on the turn of the end, or one later")
async def _():
    for turns in (0, 1):
        future = asyncio.get_running_loop().create_future()

        async def waiter():
            try:
                await asyncio.wait([future])
            finally:
                log("waiter ends")

        task = create_task(waiter())
        await sleep(0.1)
        future.set_result(1)
        for _ in range(turns):
            await sleep(0)
        log("asked", task.cancel())
        for i in range(3):
            await sleep(0)
            log("turn", i, task.done())
        log(await failure_of(task))


@scenario("wait: cancelled before it begins")
async def _():
    tasks = values(0)
    await sleep(0.1)

    async def waiter():
        asyncio.current_task().cancel()
        try:
            await asyncio.wait(tasks)
        finally:
            log("waiter ends")

    task = create_task(waiter())
    for i in range(4):
        await sleep(0)
        log("turn", i, task.done())
    log(await failure_of(task))


@scenario("wait: in a timeout")
async def _():
    tasks = [create_task(park("parked"))]
    log(await failure_of(asyncio.wait_for(asyncio.wait(tasks), 0.1)))
    log(tasks[0].done())
    await end(tasks)


@scenario("wait: a race by hand: wait for the first, cancel the others, wait for them")
async def _():
    tasks = [create_task(stubborn("slow", 1)), create_task(value(0.1, 1)), create_task(park("parked"))]
    done, pending = await asyncio.wait(tasks, return_when=FIRST_COMPLETED)
    log(len(done), len(pending))
    for task in tasks:
        task.cancel()
    await waited(tasks)
    log([task.cancelled() for task in tasks])


@scenario("wait: a task that ends in the turn of the timeout, after it or before it")
async def _():
    for turns in (0, 1):
        tasks = values(0.1)
        for _ in range(turns):
            await sleep(0)
        await waited(tasks, timeout=0.1)
        log(await tasks[0])


if __name__ == "__main__":
    main()
