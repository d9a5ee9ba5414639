import asyncio
from asyncio import as_completed, create_task, sleep

from conformance import log, main, scenario
from scenarios import fail, failure_of, park, steps, value


@scenario("as_completed: results come in the order of the ends")
async def _():
    for ended in as_completed([value(0.3, 3), value(0.1, 1), value(0.2, 2)]):
        log("got", await ended)


@scenario("as_completed: how many turns an end takes to arrive")
async def _():
    future = asyncio.get_running_loop().create_future()

    async def consumer():
        for ended in as_completed([future]):
            log("got", await ended)

    task = create_task(consumer())
    await sleep(0)
    other = create_task(steps("other", 5))
    await sleep(0)
    future.set_result(7)
    log("set")
    await task
    await other


@scenario("as_completed: of what is done already takes as many turns")
async def _():
    task = create_task(value(0, 1))
    await task
    other = create_task(steps("other", 4))
    for ended in as_completed([task]):
        log("got", await ended)
    await other


@scenario("as_completed: two that end in the same turn")
async def _():
    loop = asyncio.get_running_loop()
    first, second = loop.create_future(), loop.create_future()

    async def consumer():
        for ended in as_completed([first, second]):
            log("got", await ended)

    task = create_task(consumer())
    await sleep(0)
    other = create_task(steps("other", 4))
    second.set_result(2)
    first.set_result(1)
    await task
    await other


@scenario("as_completed: failures come when they are awaited, and it goes on")
async def _():
    tasks = [create_task(fail(0.1, "broken")), create_task(value(0.3, 3)), create_task(park("parked"))]
    asyncio.get_running_loop().call_later(0.2, tasks[2].cancel)
    for ended in as_completed(tasks):
        log(await failure_of(ended))


@scenario("as_completed: the timeout leaves the rest running")
async def _():
    tasks = [create_task(value(0.1, 1)), create_task(value(0.5, 5))]
    try:
        for ended in as_completed(tasks, timeout=0.3):
            log("got", await ended)
    except asyncio.TimeoutError as error:
        log(error)
    log(tasks[1].done())
    log(await tasks[1])


@scenario("as_completed: a timeout in the turn of an end: the end was first")
async def _():
    tasks = [create_task(value(0.1, 1)), create_task(value(0.5, 5))]
    try:
        for ended in as_completed(tasks, timeout=0.2):
            log("got", await ended)
            await sleep(0.3)
    except asyncio.TimeoutError as error:
        log(error)
    log(await tasks[1])


@scenario("as_completed: cancelling its task leaves the others running")
async def _():
    tasks = [create_task(value(0.1, 1)), create_task(value(0.5, 5))]

    async def consumer():
        for ended in as_completed(tasks):
            log("got", await ended)

    task = create_task(consumer())
    await sleep(0.2)
    task.cancel("enough")
    log(await failure_of(task))
    log(await tasks[1])


@scenario("as_completed: the same task twice comes once, and nothing gives nothing")
async def _():
    task = create_task(value(0.1, 1))
    for ended in as_completed([task, task]):
        log("got", await ended)
    for ended in as_completed([]):
        log("never", await ended)


if __name__ == "__main__":
    main()
