import asyncio
import contextvars
from asyncio import create_task, sleep

from conformance import Failure, log, main, scenario
from scenarios import failure_of

NAME = contextvars.ContextVar("name", default="nobody")


async def look(who):
    log(who, "sees", NAME.get())


async def set_and_look(who):
    log(who, "sees", NAME.get())
    NAME.set(who)
    await sleep(0)
    log(who, "sees", NAME.get())


@scenario("context: a task has a copy of what was set when it was made")
async def _():
    NAME.set("maker")
    task = create_task(set_and_look("task"))
    NAME.set("later")
    await task
    log(NAME.get())


@scenario("context: a coroutine that is awaited shares it")
async def _():
    await set_and_look("callee")
    log(NAME.get())


@scenario("context: each child of a gather has a copy")
async def _():
    NAME.set("maker")
    await asyncio.gather(set_and_look("a"), set_and_look("b"))
    log(NAME.get())


@scenario("context: tasks of tasks")
async def _():
    async def child():
        await set_and_look("child")
        await create_task(set_and_look("grandchild"))
        await look("child")

    await create_task(child())
    log(NAME.get())


@scenario("context: callbacks have a copy of what was set when they were queued")
async def _():
    loop = asyncio.get_running_loop()

    def callback(who):
        log(who, "sees", NAME.get())
        NAME.set(who)

    NAME.set("one")
    loop.call_soon(callback, "a")
    NAME.set("two")
    loop.call_soon(callback, "b")
    loop.call_later(0.1, callback, "c")
    NAME.set("three")
    await sleep(0.2)
    log(NAME.get())


@scenario("context: done callbacks have that of their adding")
async def _():
    future = asyncio.get_running_loop().create_future()
    NAME.set("added")
    future.add_done_callback(lambda _: log("callback sees", NAME.get()))
    NAME.set("set")
    future.set_result(None)
    await sleep(0)
    log(NAME.get())


@scenario("context: a generator shares that of who asks for the next value")
async def _():
    async def values():
        for i in range(3):
            log("generator sees", NAME.get())
            NAME.set(f"generator {i}")
            yield i

    async for i in values():
        log(NAME.get())
        NAME.set(f"loop {i}")


@scenario("context: bodies of timeout and group share it, children do not")
async def _():
    async with asyncio.timeout(1):
        NAME.set("timeout")
    log(NAME.get())
    async with asyncio.TaskGroup() as group:
        NAME.set("group")
        group.create_task(set_and_look("child"))
    log(NAME.get())


@scenario("context: reset, and what is wrong with a token")
async def _():
    other = contextvars.ContextVar("other", default="")
    token = NAME.set("one")
    second = NAME.set("two")

    async def reset(var, which):
        var.reset(which)

    log(await failure_of(create_task(reset(NAME, token))))
    log(await failure_of(reset(other, token)))
    NAME.reset(second)
    log(NAME.get())
    log(await failure_of(reset(NAME, second)))
    NAME.reset(token)
    log(NAME.get())


@scenario("context: run in a copy, and in it again")
async def _():
    NAME.set("outside")
    context = contextvars.copy_context()

    def change():
        log("sees", NAME.get())
        NAME.set("inside")

    context.run(change)
    log(NAME.get())
    context.run(change)

    async def again():
        context.run(lambda: context.run(change))

    log(await failure_of(again()))


@scenario("context: what was set before a failure stays set")
async def _():
    async def failing():
        NAME.set("set")
        raise Failure("broken")

    log(await failure_of(create_task(failing())))
    log(NAME.get())
    try:
        await failing()
    except Failure:
        log(NAME.get())


@scenario("context: two tasks that are given the same one")
async def _():
    context = contextvars.copy_context()
    await create_task(set_and_look("a"), context=context)
    await create_task(set_and_look("b"), context=context)
    log(context.run(NAME.get))


if __name__ == "__main__":
    main()
