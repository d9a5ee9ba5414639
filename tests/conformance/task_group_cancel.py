from asyncio import CancelledError, TaskGroup, create_task, current_task, sleep

from conformance import Failure, log, main, scenario
from scenarios import clean_slowly, fail, fail_in_cleanup, failure_of, park, value


# asyncio cancels the tasks of a group in no order: what they do then has to come at different times.


@scenario("task_group: a cancel from outside reaches all once")
async def _():
    async def body():
        async with TaskGroup() as group:
            group.create_task(clean_slowly("a", 0.2))
            group.create_task(clean_slowly("b", 0.1))
            await park("body")

    task = create_task(body())
    await sleep(0.1)
    task.cancel("outside")
    log(await failure_of(task))
    log(task.cancelled())


@scenario("task_group: a cancel from outside while it waits for its tasks")
async def _():
    async def body():
        async with TaskGroup() as group:
            group.create_task(park("a"))
            group.create_task(clean_slowly("b", 0.2))

    task = create_task(body())
    await sleep(0.1)
    task.cancel()
    log(await failure_of(task))


@scenario("task_group: failures during a cancel from outside win")
async def _():
    async def body():
        async with TaskGroup() as group:
            group.create_task(fail_in_cleanup("a", 0.2))
            group.create_task(fail_in_cleanup("b", 0.1))

    task = create_task(body())
    await sleep(0.1)
    task.cancel()
    log(await failure_of(task))


@scenario("task_group: a failure and a cancel from outside: the cancel comes again at the next wait", since=(3, 13))
async def _():
    async def body():
        try:
            async with TaskGroup() as group:
                group.create_task(fail_in_cleanup("a", 0.2))
                await sleep(3600)
        except* Failure:
            log("group failed", current_task().cancelling())
        await park("after")

    task = create_task(body())
    await sleep(0.1)
    task.cancel()
    log(await failure_of(task))


@scenario("task_group: nested: an inner failure is one failure of the outer")
async def _():
    async def inner():
        async with TaskGroup() as group:
            group.create_task(fail(0.1, "inner"))
            group.create_task(park("inner sibling"))

    async def outer():
        async with TaskGroup() as group:
            group.create_task(inner())
            group.create_task(park("outer sibling"))

    log(await failure_of(outer()))


@scenario("task_group: nested in the body: an inner failure that is caught does not cancel the outer", since=(3, 13))
async def _():
    async with TaskGroup() as outer:
        task = outer.create_task(value(0.3, 7))
        try:
            async with TaskGroup() as inner:
                inner.create_task(fail(0.1, "inner"))
        except* Failure as group:
            log("caught", group)
        log(current_task().cancelling())
    log(task.result())


@scenario("task_group: nested: an outer failure cancels the inner group")
async def _():
    async def inner():
        async with TaskGroup() as group:
            group.create_task(park("inner child"))

    async def outer():
        async with TaskGroup() as group:
            group.create_task(inner())
            group.create_task(fail(0.1, "outer"))

    log(await failure_of(outer()))


@scenario("task_group: nested in the body: an outer failure cancels the inner group")
async def _():
    async def body():
        async with TaskGroup() as outer:
            outer.create_task(fail(0.1, "outer"))
            async with TaskGroup() as inner:
                inner.create_task(park("inner child"))

    log(await failure_of(body()))


@scenario("task_group: nested in the body: an inner failure that nobody catches is one of the outer")
async def _():
    async def body():
        async with TaskGroup() as outer:
            outer.create_task(park("outer child"))
            async with TaskGroup() as inner:
                inner.create_task(fail(0.1, "inner"))

    log(await failure_of(body()))


@scenario("task_group: nested in the body: cancelled from outside, with failures in the cleanup")
async def _():
    async def body():
        async with TaskGroup() as outer:
            outer.create_task(clean_slowly("outer child", 0.3))
            async with TaskGroup() as inner:
                inner.create_task(fail_in_cleanup("a", 0.2))
                inner.create_task(fail_in_cleanup("b", 0.1))
                await sleep(3600)

    task = create_task(body())
    await sleep(0.1)
    task.cancel()
    log(await failure_of(task))


@scenario("task_group: nested in the body: both fail in one turn", since=(3, 13))
async def _():
    async def body():
        async with TaskGroup() as outer:
            try:
                async with TaskGroup() as inner:
                    inner.create_task(fail(0, "inner"))
                    outer.create_task(fail(0, "outer"))
            except* Failure as group:
                log("caught", group)
            log(current_task().cancelling())

    log(await failure_of(body()))
    log(current_task().cancelling())


@scenario("task_group: a failure after a cancel from outside interrupts the cleanup of the body")
async def _():
    async def body():
        async with TaskGroup() as group:
            group.create_task(fail(0.3, "child"))
            try:
                await sleep(3600)
            finally:
                await sleep(0.5)
                log("body cleaned")

    async def awaits(task):
        await task

    for nested in (False, True):
        task = create_task(body())
        outer = create_task(awaits(task)) if nested else task
        await sleep(0.1)
        outer.cancel()
        log(await failure_of(outer))


@scenario("task_group: a failure in the turn of a cancel from outside", since=(3, 13))
async def _():
    async def body():
        try:
            async with TaskGroup() as group:
                group.create_task(fail(0.1, "child"))
                await park("body")
        except* Failure as group:
            log("caught", group, current_task().cancelling())
        await park("after")

    task = create_task(body())
    await sleep(0.1)
    log(task.cancel("outside"), task.cancelling())
    log(await failure_of(task))
    log(task.cancelled())


@scenario("task_group: a body that answers a cancel from outside with a failure")
async def _():
    async def body():
        async with TaskGroup() as group:
            group.create_task(park("child"))
            await fail_in_cleanup("body", 0.1)

    task = create_task(body())
    await sleep(0.1)
    task.cancel()
    log(await failure_of(task))
    log(task.cancelled())


@scenario("task_group: a failure inside the cleanup of a cancelled task", since=(3, 13))
async def _():
    async def cleanup():
        async with TaskGroup() as group:
            group.create_task(fail(0.1, "child"))

    async def body():
        try:
            await sleep(3600)
        except CancelledError:
            log(await failure_of(cleanup()))
            log(await failure_of(sleep(0.1)))
            raise

    task = create_task(body())
    await sleep(0.1)
    task.cancel()
    log(await failure_of(task))


if __name__ == "__main__":
    main()
