import asyncio
import contextvars
from asyncio import CancelledError, current_task, sleep

from conformance import Failure, log, main, scenario
from scenarios import failure_of, park, steps, value

NAME = contextvars.ContextVar("name", default="nobody")


def eager(coroutine, **options):
    return asyncio.Task(coroutine, loop=asyncio.get_running_loop(), eager_start=True, **options)


async def at_once(result):
    return result


async def fail_at_once(text):
    raise Failure(text)


@scenario("eager: the first step runs at the call, the rest behind what is queued", since=(3, 12))
async def _():
    asyncio.get_running_loop().call_soon(log, "queued")
    task = eager(steps("task", 2))
    log("created", task.done())
    await task


@scenario("eager: one that does not wait is done at the call, and awaiting it lets nobody else run", since=(3, 12))
async def _():
    other = asyncio.create_task(steps("other", 0))
    task = eager(at_once(7))
    task.add_done_callback(lambda t: log("callback", t.result()))
    log(task.done(), task.cancel(), await task, task.cancelled())
    await other
    await sleep(0)


@scenario("eager: a failure of the first step is kept in the task", since=(3, 12))
async def _():
    task = eager(fail_at_once("x"))
    log("created", task.done())
    log(await failure_of(task))

    async def cancelled():
        raise CancelledError("own")

    task = eager(cancelled())
    log(task.cancelled())
    log(await failure_of(task))


@scenario("eager: a failure that nobody takes goes to the handler", since=(3, 12))
async def _():
    eager(fail_at_once("unheard"))
    log("created")


@scenario("eager: cancelled after the first step, and by itself in the first step", since=(3, 12))
async def _():
    task = eager(park("task"))
    log(task.cancel("why"), task.cancelling())
    log(await failure_of(task))

    async def cancels_itself():
        current_task().cancel("self")
        log("goes on")
        await park("itself")

    task = eager(cancels_itself())
    log(task.done(), task.cancelling())
    log(await failure_of(task))

    async def ends():
        current_task().cancel("self")

    task = eager(ends())
    log(task.done())
    log(task.cancelled(), await failure_of(task))


@scenario("eager: which task is the current one, and which are all", since=(3, 12))
async def _():
    future = asyncio.get_running_loop().create_future()

    def count():
        return len(asyncio.all_tasks())

    async def inner():
        log("inner", current_task().get_name(), count())
        await future
        log("inner", current_task().get_name(), count())

    async def outer():
        log("outer", current_task().get_name(), count())
        task = eager(inner(), name="inner")
        log("outer", current_task().get_name(), count())
        return task

    current_task().set_name("main")
    task = eager(outer(), name="outer")
    log(current_task().get_name(), count())
    future.set_result(None)
    await (await task)
    log(current_task().get_name(), count())


@scenario("eager: the first step sets what its maker waits for", since=(3, 12))
async def _():
    future = asyncio.get_running_loop().create_future()

    async def sets():
        future.set_result(7)

    task = eager(sets())
    log(task.done(), await future)


@scenario("eager: the context is a copy from the first step on", since=(3, 12))
async def _():
    async def body():
        log("first step sees", NAME.get())
        NAME.set("task")
        await sleep(0)
        log("second step sees", NAME.get())

    NAME.set("maker")
    task = eager(body())
    log("maker sees", NAME.get())
    NAME.set("later")
    await task
    log("maker sees", NAME.get())


@scenario("eager: in a task group, done at once, later, and failed at once", since=(3, 12))
async def _():
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)

    async def good():
        async with asyncio.TaskGroup() as group:
            first = group.create_task(at_once(1))
            second = group.create_task(value(0.1, 2))
            log(first.done(), second.done())
        log(first.result(), second.result())

    async def bad():
        async with asyncio.TaskGroup() as group:
            group.create_task(park("sibling"))
            group.create_task(fail_at_once("x"))
            log("body goes on")
            await park("body")

    await good()
    log(await failure_of(bad()))
    log(current_task().cancelling())


@scenario("eager: in gather, wait and wait_for, done or not", since=(3, 12))
async def _():
    log(await asyncio.gather(eager(at_once(1)), eager(value(0.1, 2))))
    done, pending = await asyncio.wait([eager(at_once(1)), eager(value(0.1, 2))], return_when=asyncio.FIRST_COMPLETED)
    log(len(done), len(pending))
    log(await asyncio.wait_for(eager(at_once(1)), 0))
    log(await failure_of(asyncio.wait_for(eager(park("parked")), 0.2)))


if __name__ == "__main__":
    main()
