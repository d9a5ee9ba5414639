"""Queues, in the situations of CPython's own tests; see meetings_random.py."""
import asyncio
from asyncio import create_task, gather, sleep

from conformance import log, main, scenario
from scenarios import failure_in, failure_of, turns


async def gets(name, queue):
    try:
        log(name, "got", await queue.get())
    except asyncio.QueueShutDown as error:
        log(name, error)


async def puts(name, queue, item):
    log(name, await failure_of(queue.put(item)))


@scenario("queue: a get that is cancelled after its item came loses none", since=(3, 13))
async def _():
    queue = asyncio.Queue()
    tasks = [create_task(gets(name, queue)) for name in "abc"]
    await sleep(0)
    queue.put_nowait(1)
    queue.put_nowait(2)
    tasks[0].cancel("enough")
    log(await failure_of(tasks[0]))
    await turns(2)
    log([task.done() for task in tasks], queue.qsize())


@scenario("queue: a put that is cancelled after its place came puts nothing, and passes the place on")
async def _():
    queue = asyncio.Queue(1)
    queue.put_nowait(0)
    tasks = [create_task(puts(name, queue, item)) for item, name in enumerate("abc", 1)]
    await sleep(0)
    log(queue.get_nowait())
    tasks[0].cancel("enough")
    tasks[2].cancel("enough")
    await turns(3)
    log([task.done() for task in tasks], queue.qsize(), queue.get_nowait())


@scenario("queue: two workers and a join")
async def _():
    queue = asyncio.Queue()
    for item in range(4):
        queue.put_nowait(item)

    async def worker(name):
        while True:
            item = await queue.get()
            log(name, item)
            await sleep(0.1)
            queue.task_done()

    workers = [create_task(worker(name)) for name in "ab"]
    await queue.join()
    log("joined", queue.qsize())
    await queue.join()
    log(failure_in(queue.task_done))
    for each in workers:
        each.cancel()
    await gather(*workers, return_exceptions=True)


@scenario("queue: shut down while it is empty, and while it is full", since=(3, 13))
async def _():
    for immediate in (False, True):
        empty, full = asyncio.Queue(), asyncio.Queue(1)
        full.put_nowait(1)

        async def joins(queue):
            log("joined", await failure_of(queue.join()))

        tasks = [create_task(gets("getter", empty)), create_task(joins(full)), create_task(puts("putter", full, 2))]
        await sleep(0)
        empty.shutdown(immediate)
        full.shutdown(immediate)
        await empty.join()
        log(empty.qsize(), full.qsize(), full.full())
        await turns(2)
        log([task.done() for task in tasks])
        if not immediate:
            await gets("late getter", full)
            await turns(1)
            full.task_done()
        await turns(2)
        log([task.done() for task in tasks])
        for queue in (empty, full):
            log(failure_in(queue.put_nowait, 3), failure_in(queue.get_nowait), failure_in(queue.task_done))
            log(await failure_of(queue.put(3)), await failure_of(queue.get()))


@scenario("queue: shut down at once, while an item is worked on", since=(3, 13))
async def _():
    queue = asyncio.Queue()
    queue.put_nowait(1)
    queue.put_nowait(2)

    async def joins():
        await queue.join()
        log("joined")

    task = create_task(joins())
    log(await queue.get())
    await sleep(0)
    queue.shutdown(immediate=True)
    log(queue.qsize())
    await turns(2)
    log(task.done(), failure_in(queue.task_done), failure_in(queue.task_done))
    await task


if __name__ == "__main__":
    main()
