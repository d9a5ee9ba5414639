"""Random programs: tasks that meet at everything there is, and are cancelled here and there."""
import asyncio
from asyncio import BrokenBarrierError, CancelledError, QueueEmpty, QueueFull, create_task, sleep

from conformance import log, main, scenario


class Random:
    """The same numbers as in C++."""

    def __init__(self, seed):
        self.state = seed

    def __call__(self, count):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % count


async def pause(turns):
    for _ in range(turns):
        await sleep(0)


async def run(seed, actors, act, state):
    """Lets the actors act for a while, cancels one now and then, and tells the state of things at every turn."""
    log("seed", seed)
    random = Random(seed)
    tasks = [create_task(play(str(number), Random(seed * 1000 + number), act)) for number in range(actors)]
    for turn in range(60):
        if random(4) == 0:
            number = random(actors)
            log("turn", turn, "cancel", number, tasks[number].cancel(f"turn {turn}"))
        log("turn", turn, *state())
        await sleep(0)
    while not all(task.done() for task in tasks):
        for task in tasks:
            task.cancel("the end")
        await sleep(0)
    log("end", *state())


async def play(name, random, act):
    for _ in range(10):
        try:
            await act(name, random)
        except CancelledError as error:
            log(name, error)
            if random(3) == 0:
                break
    log(name, "ends")


# ---- Lock, Semaphore, Event, Condition, Barrier ----------------------------------------------------------

async def locks(seed):
    lock = asyncio.Lock()
    semaphore = asyncio.Semaphore(2)
    event = asyncio.Event()

    async def act(name, random):
        kind = random(8)
        if kind < 2:
            async with lock:
                log(name, "has the lock")
                await pause(random(3))
                log(name, "releases the lock")
        elif kind < 4:
            async with semaphore:
                log(name, "has a permit")
                await pause(random(3))
                log(name, "releases the permit")
        elif kind == 4:
            log(name, "waits for the event")
            await event.wait()
            log(name, "has seen the event")
        elif kind == 5:
            event.set()
            if random(2) == 0:
                event.clear()
            log(name, "sets the event", event.is_set())
        elif kind == 6:
            event.clear()
            log(name, "clears the event")
        else:
            await pause(random(3))

    await run(seed, 5, act, lambda: (lock.locked(), semaphore.locked(), event.is_set()))


async def permits(seed):
    semaphore = asyncio.Semaphore(0)

    async def act(name, random):
        kind = random(4)
        if kind < 2:
            await semaphore.acquire()
            log(name, "has a permit")
        elif kind == 2:
            for _ in range(random(4)):
                semaphore.release()
            log(name, "releases", semaphore.locked())
        else:
            await pause(random(3))

    await run(seed, 5, act, lambda: (semaphore.locked(),))


async def conditions(seed):
    lock = asyncio.Lock()
    condition, other = asyncio.Condition(lock), asyncio.Condition(lock)
    stock = 0

    async def act(name, random):
        nonlocal stock
        kind = random(7)
        if kind == 0:
            async with condition:
                log(name, "waits")
                await condition.wait()
                log(name, "is notified")
        elif kind == 1:
            async with other:
                await pause(random(2))
                log(name, "waits for the other")
                await other.wait()
                log(name, "is notified of the other")
        elif kind == 2:
            async with condition:
                log(name, "wants some", await condition.wait_for(lambda: stock > 0))
                stock -= 1
        elif kind < 5:
            async with lock:
                await pause(random(2))
                count = random(3)
                stock += count
                condition.notify(count)
                log(name, "notifies", count)
        elif kind == 5:
            async with other:
                other.notify_all()
                log(name, "notifies all")
                await pause(random(2))
        else:
            await pause(random(3))

    await run(seed, 5, act, lambda: (condition.locked(), stock))


async def barriers(seed):
    barrier = asyncio.Barrier(3)

    async def act(name, random):
        kind = random(10)
        if kind < 7:
            try:
                log(name, "arrives")
                log(name, "goes on as", await barrier.wait())
            except BrokenBarrierError:
                log(name, "finds it broken")
        elif kind == 7:
            await pause(random(3))
        elif kind == 8 or random(3) != 0:
            log(name, "resets")
            await barrier.reset()
        else:
            log(name, "aborts")
            await barrier.abort()

    await run(seed, 5, act, lambda: (barrier.n_waiting, barrier.broken))


# ---- Queues ----------------------------------------------------------------------------------------------

async def queues(seed, make):
    queue = make(1 + seed % 2 if seed % 3 else 0)

    async def act(name, random):
        kind = random(40)
        try:
            if kind < 12:
                item = random(100)
                await queue.put(item)
                log(name, "has put", item)
            elif kind < 24:
                log(name, "has got", await queue.get())
            elif kind < 27:
                item = random(100)
                queue.put_nowait(item)
                log(name, "puts", item)
            elif kind < 31:
                log(name, "gets", queue.get_nowait())
            elif kind < 34:
                queue.task_done()
                log(name, "is done with one")
            elif kind < 36:
                await queue.join()
                log(name, "has seen all done")
            elif kind == 36 and random(4) == 0:
                now = random(2) == 0
                log(name, "shuts down", now)
                queue.shutdown(now)
            else:
                await pause(random(3))
        except (QueueEmpty, QueueFull, asyncio.QueueShutDown, ValueError) as error:
            log(name, error)

    await run(seed, 6, act, lambda: (queue.qsize(), queue.empty(), queue.full()))


@scenario("random: locks, semaphores and events", since=(3, 13))
async def _():
    for seed in range(1, 41):
        await locks(seed)


@scenario("random: permits from anywhere", since=(3, 13))
async def _():
    for seed in range(1, 41):
        await permits(seed)


@scenario("random: conditions that share a lock", since=(3, 13))
async def _():
    for seed in range(1, 61):
        await conditions(seed)


@scenario("random: barriers, reset and aborted", since=(3, 13))
async def _():
    for seed in range(1, 61):
        await barriers(seed)


@scenario("random: queues", since=(3, 13))
async def _():
    for seed in range(1, 101):
        await queues(seed, asyncio.Queue)


@scenario("random: stacks", since=(3, 13))
async def _():
    for seed in range(1, 41):
        await queues(seed, asyncio.LifoQueue)


@scenario("random: priority queues", since=(3, 13))
async def _():
    for seed in range(1, 41):
        await queues(seed, asyncio.PriorityQueue)


if __name__ == "__main__":
    main()
