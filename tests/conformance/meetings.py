"""Locks, semaphores, conditions and barriers, in the situations of CPython's own tests; see meetings_random.py."""
import asyncio
from asyncio import BrokenBarrierError, create_task, gather, sleep

from conformance import Failure, log, main, scenario
from scenarios import failure_in, failure_of, turns


async def takes(name, line):
    """Takes a lock or a permit, and keeps it."""
    error = await failure_of(line.acquire())
    log(name, error)


# ---- Lock and Semaphore ----------------------------------------------------------------------------------

@scenario("lock: a waiter is cancelled and the lock is released, in one turn, in either order")
async def _():
    for cancel_first in (True, False):
        lock = asyncio.Lock()
        await lock.acquire()
        tasks = [create_task(takes(name, lock)) for name in "abc"]
        await sleep(0)
        if cancel_first:
            tasks[0].cancel("enough")
        lock.release()
        if not cancel_first:
            tasks[0].cancel("enough")
        log(lock.locked())
        await turns(3)
        log(lock.locked(), [task.done() for task in tasks])
        lock.release()
        await turns(2)
        log(lock.locked(), [task.done() for task in tasks])


@scenario("semaphore: permits that come together, one taker of which releases and comes again")
async def _():
    semaphore = asyncio.Semaphore(1)

    async def again():
        await takes("b", semaphore)
        semaphore.release()
        await takes("b again", semaphore)

    tasks = [create_task(takes("a", semaphore)), create_task(again()), create_task(takes("c", semaphore))]
    await sleep(0)
    semaphore.release()
    semaphore.release()
    await gather(*tasks)
    log(semaphore.locked())


@scenario("semaphore: the first to be woken wakes the others, before whom it starts", since=(3, 13))
async def _():
    semaphore = asyncio.Semaphore(0)

    async def first():
        await takes("first", semaphore)
        create_task(turns(1))

    async def second():
        for _ in range(3):
            semaphore.release()
        log(semaphore.locked())
        await takes("second", semaphore)

    await gather(create_task(first()), create_task(second()), create_task(takes("third", semaphore)))
    await sleep(0)


@scenario("semaphore: waiters are cancelled before the release and by it")
async def _():
    semaphore = asyncio.Semaphore(0)
    tasks = [create_task(takes(name, semaphore)) for name in "abcd"]
    await sleep(0)
    tasks[0].cancel("a")
    tasks[1].cancel("b")
    semaphore.release()
    await turns(3)
    log(semaphore.locked(), [task.done() for task in tasks])
    semaphore.release()
    tasks[3].cancel("d")
    await turns(3)
    log(semaphore.locked(), [task.done() for task in tasks])


# ---- Event -----------------------------------------------------------------------------------------------

@scenario("event: set wakes those who wait, behind who comes then; clear and a second set change nothing for them")
async def _():
    event = asyncio.Event()

    async def waits(name):
        log(name, await failure_of(event.wait()), event.is_set())

    tasks = [create_task(waits(name)) for name in "abc"]
    await sleep(0)
    tasks.append(create_task(waits("late")))
    event.set()
    tasks[1].cancel("enough")
    log(event.is_set())
    await turns(2)
    event.clear()
    tasks += [create_task(waits(name)) for name in "de"]
    await sleep(0)
    event.set()
    event.clear()
    event.set()
    event.clear()
    tasks.append(create_task(waits("later")))
    await turns(2)
    log([task.done() for task in tasks])
    tasks[-1].cancel("left")
    await tasks[-1]


# ---- Condition -------------------------------------------------------------------------------------------

@scenario("condition: cancelled while it is notified, the notification goes to another", since=(3, 13))
async def _():
    for turns_before in (0, 1):
        condition = asyncio.Condition()
        stock = 0

        async def consumer(name):
            nonlocal stock
            async with condition:
                error = await failure_of(condition.wait_for(lambda: stock > 0))
                log(name, error, condition.locked())
                if error is None:
                    stock -= 1

        consumers = [create_task(consumer(name)) for name in "ab"]
        await sleep(0)
        async with condition:
            stock += 1
            condition.notify(1)
            for _ in range(turns_before):
                await sleep(0)
            consumers[0].cancel("enough")
        await turns(4)
        log(stock, [task.done() for task in consumers])
        async with condition:
            stock += 1
            condition.notify_all()
        await gather(*consumers)


@scenario("condition: a cancel and the release in one turn, while the notified one takes the lock again", since=(3, 13))
async def _():
    for cancel_first in (True, False):
        condition = asyncio.Condition()

        async def waiter():
            async with condition:
                try:
                    await condition.wait()
                finally:
                    log("waiter goes on", condition.locked())

        task = create_task(waiter())
        await sleep(0)
        await condition.acquire()
        condition.notify()
        await sleep(0)
        if cancel_first:
            task.cancel("message")
        condition.release()
        if not cancel_first:
            task.cancel("message")
        log(condition.locked())
        await turns(2)
        log(await failure_of(task), task.cancelled(), condition.locked())


@scenario("condition: runs out of time with the lock in its hands")
async def _():
    condition = asyncio.Condition()
    async with condition:
        log(await failure_of(asyncio.wait_for(condition.wait_for(lambda: False), 0.5)), condition.locked())
        try:
            async with asyncio.timeout(0.5):
                await condition.wait()
        except TimeoutError as error:
            log(error, condition.locked())
    log(condition.locked())


@scenario("condition: without the lock")
async def _():
    condition = asyncio.Condition()
    log(await failure_of(condition.wait()), failure_in(condition.notify), failure_in(condition.notify_all))
    log(await condition.wait_for(lambda: True), await failure_of(condition.wait_for(lambda: False)))
    log(failure_in(condition.release))


# ---- Barrier ---------------------------------------------------------------------------------------------

@scenario("barrier: who comes while it drains waits for the next round")
async def _():
    barrier, others = asyncio.Barrier(5), asyncio.Barrier(3)
    left = 2

    async def party(name):
        nonlocal left
        log(name, await barrier.wait())
        if left > 0:
            left -= 1
        else:
            log(name, "meets the others", await others.wait())
        log(name, "again", await barrier.wait())

    await gather(*(party(name) for name in "abcde"))
    log(barrier.n_waiting, barrier.broken)


@scenario("barrier: one that waits is cancelled")
async def _():
    barrier = asyncio.Barrier(3)

    async def party(name):
        try:
            log(name, await barrier.wait())
        finally:
            log(name, "leaves", barrier.n_waiting)

    tasks = [create_task(party(name)) for name in "ab"]
    await sleep(0)
    tasks[0].cancel("enough")
    await sleep(0)
    log(barrier.n_waiting, await failure_of(tasks[0]))
    await gather(tasks[1], *(create_task(party(name)) for name in "cd"))
    log(barrier.n_waiting, barrier.broken)


@scenario("barrier: reset or aborted by one that has gone on, while others drain and others come again")
async def _():
    for abort in (False, True):
        barrier = asyncio.Barrier(6)
        passed = 0

        async def party(name):
            nonlocal passed
            try:
                log(name, "at first", await barrier.wait())
            except BrokenBarrierError as error:
                log(name, "while it drains", error)
                if abort:
                    return
            else:
                passed += 1
                if passed > 3:
                    log(name, "breaks it")
                    if abort:
                        await barrier.abort()
                        return
                    await barrier.reset()
            try:
                log(name, "again", await barrier.wait())
            except BrokenBarrierError as error:
                log(name, "in the next round", error)

        await gather(*(party(name) for name in "abcdef"))
        log(barrier.n_waiting, barrier.broken)


@scenario("barrier: aborted after a failure of one, then reset")
async def _():
    broken, whole = asyncio.Barrier(5), asyncio.Barrier(5)

    async def party(name):
        try:
            if await broken.wait() == 2:
                raise Failure(name)
            log(name, "never", await broken.wait())
        except BrokenBarrierError as error:
            log(name, error)
        except Failure as error:
            log(name, error)
            await broken.abort()
        if await whole.wait() == 2:
            log(name, "resets")
            await broken.reset()
        await whole.wait()
        log(name, await broken.wait())

    await gather(*(party(name) for name in "abcde"))
    log(broken.n_waiting, broken.broken)


if __name__ == "__main__":
    main()
