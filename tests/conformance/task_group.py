import asyncio
from asyncio import CancelledError, TaskGroup, create_task, current_task, sleep

from conformance import Failure, log, main, scenario
from scenarios import clean_slowly, fail, fail_in_cleanup, failure_of, park, steps, stubborn, value


# asyncio cancels the tasks of a group in no order: what they do then has to come at different times.


@scenario("task_group: waits for its tasks; their results can be read afterwards")
async def _():
    async with TaskGroup() as group:
        first = group.create_task(value(0.2, 1))
        second = group.create_task(value(0.1, 2))
        log("body ends")
    log(first.result(), second.result())


@scenario("task_group: an empty one does not let others run")
async def _():
    create_task(steps("other", 0))
    async with TaskGroup():
        pass
    log("left")
    await sleep(0)


@scenario("task_group: a failure cancels the siblings and the body")
async def _():
    async def body():
        async with TaskGroup() as group:
            group.create_task(fail(0.1, "first"))
            group.create_task(park("sibling"))
            await park("body")

    log(await failure_of(body()))
    log(current_task().cancelling())


@scenario("task_group: a failure of the body cancels its tasks")
async def _():
    async def body():
        async with TaskGroup() as group:
            group.create_task(park("a"))
            await fail(0.1, "body")

    log(await failure_of(body()))


@scenario("task_group: failures in the cleanup join the group")
async def _():
    async def body():
        async with TaskGroup() as group:
            group.create_task(fail(0.1, "first"))
            group.create_task(fail_in_cleanup("second", 0.2))
            group.create_task(fail_in_cleanup("third", 0.1))

    log(await failure_of(body()))


@scenario("task_group: waits for slow cleanup of all")
async def _():
    async def body():
        async with TaskGroup() as group:
            group.create_task(fail(0.1, "first"))
            group.create_task(clean_slowly("a", 0.3))
            group.create_task(clean_slowly("b", 0.2))

    log(await failure_of(body()))


@scenario("task_group: a child that is cancelled by itself is no failure")
async def _():
    async with TaskGroup() as group:
        child = group.create_task(park("child"))
        other = group.create_task(value(0.2, 7))
        await sleep(0.1)
        child.cancel()
    log(child.cancelled(), other.result())


@scenario("task_group: a body that swallows the cancellation: the group fails all the same")
async def _():
    async def body():
        async with TaskGroup() as group:
            group.create_task(fail(0.1, "child"))
            log(await stubborn("body", 1))

    log(await failure_of(body()))


@scenario("task_group: tasks may start tasks, also while the group waits")
async def _():
    async with TaskGroup() as group:

        async def hydra(depth):
            await sleep(0.1)
            log("depth", depth)
            if depth < 3:
                group.create_task(hydra(depth + 1))

        group.create_task(hydra(0))


@scenario("task_group: no task once it shuts down")
async def _():
    async def body():
        async with TaskGroup() as group:
            group.create_task(fail(0.1, "child"))
            try:
                await sleep(3600)
            except CancelledError:
                coroutine = steps("never", 1)
                try:
                    group.create_task(coroutine)
                except RuntimeError as error:
                    log(error)
                coroutine.close()
                raise

    log(await failure_of(body()))


@scenario("task_group: inside a timeout: TimeoutError, not a group")
async def _():
    async def body():
        async with asyncio.timeout(0.1):
            async with TaskGroup() as group:
                group.create_task(park("child"))

    log(await failure_of(body()))


@scenario("task_group: a timeout inside a task is a failure like any other")
async def _():
    async def child():
        async with asyncio.timeout(0.1):
            await sleep(3600)

    async def body():
        async with TaskGroup() as group:
            group.create_task(child())
            group.create_task(park("sibling"))

    log(await failure_of(body()))


@scenario("task_group: a task that was cancelled before its first step")
async def _():
    async with TaskGroup() as group:
        task = group.create_task(steps("never", 1))
        task.cancel()
    log(task.cancelled())


@scenario("task_group: fails before the other tasks have started")
async def _():
    async def at_once():
        raise Failure("at once")

    async def body():
        async with TaskGroup() as group:
            group.create_task(at_once())
            group.create_task(steps("other", 2))
            await sleep(0)
            log("body")
            await sleep(0)
            log("body again")

    log(await failure_of(body()))


@scenario("task_group: two failures in one turn")
async def _():
    async def body():
        async with TaskGroup() as group:
            group.create_task(fail(0.1, "first"))
            group.create_task(fail(0.1, "second"))
            group.create_task(park("third"))

    log(await failure_of(body()))


@scenario("task_group: a task fails, then the body in its cleanup", since=(3, 13))
async def _():
    async def body():
        async with TaskGroup() as group:
            group.create_task(fail(0.1, "child"))
            await fail_in_cleanup("body", 0.1)

    log(await failure_of(body()))
    log(current_task().cancelling())


@scenario("task_group: the body fails, then a task in its cleanup")
async def _():
    async def body():
        async with TaskGroup() as group:
            group.create_task(fail_in_cleanup("child", 0.1))
            await fail(0.1, "body")

    log(await failure_of(body()))


if __name__ == "__main__":
    main()
