from asyncio import CancelledError, create_task, current_task, sleep

from conformance import Failure, log, main, scenario
from scenarios import fail, failure_of, park, steps, stubborn, value


@scenario("a task starts on the next turn, not in create_task")
async def _():
    task = create_task(steps("a", 1))
    log("created")
    await sleep(0)
    log("yielded")
    await task
    log("awaited")


@scenario("tasks start in the order of their making and take turns")
async def _():
    tasks = [create_task(steps(name, 3)) for name in "abc"]
    for task in tasks:
        await task


@scenario("a directly awaited coroutine runs at once, in the same task")
async def _():
    other = create_task(steps("other", 2))
    log("before")
    await steps("inner", 1)
    log("after")
    await other


@scenario("awaiting a task that is done does not let others run")
async def _():
    done = create_task(value(0, 1))
    await sleep(0.001)
    other = create_task(steps("other", 1))
    log("got", await done)
    log("still first")
    await other


@scenario("waiters of a task go on in the order of their waiting")
async def _():
    task = create_task(value(0.1, 7))

    async def waiter(name):
        log(name, "got", await task)

    waiters = [create_task(waiter(name)) for name in "abc"]
    for each in waiters:
        await each


@scenario("a failure reaches every waiter")
async def _():
    task = create_task(fail(0.1, "broken"))

    async def waiter(name):
        log(name, await failure_of(task))

    waiters = [create_task(waiter(name)) for name in "ab"]
    for each in waiters:
        await each
    log(task.exception())


@scenario("cancel before the first step: the body never runs")
async def _():
    task = create_task(steps("never", 1))
    log(task.cancel())
    log(task.done(), task.cancelled())
    log(await failure_of(task))
    log(task.done(), task.cancelled())


@scenario("cancel is delivered on a later turn")
async def _():
    task = create_task(park("a"))
    await sleep(0)
    log(task.cancel(), task.done(), task.cancelling())
    await sleep(0)
    log(task.done(), task.cancelled())


@scenario("cancel carries its message")
async def _():
    task = create_task(park("a"))
    await sleep(0.5)
    task.cancel("enough")
    log(await failure_of(task))


@scenario("two cancels before delivery: one delivery, a count of two, the first message")
async def _():
    task = create_task(stubborn("a", 1))
    await sleep(0)
    log(task.cancel("first"), task.cancel("second"), task.cancelling())
    log(await task, task.cancelled(), task.cancelling())


@scenario("two cancels one after the other: two deliveries")
async def _():
    task = create_task(stubborn("a", 2))
    await sleep(0)
    task.cancel("first")
    await sleep(0)
    task.cancel("second")
    log(await task, task.cancelling())


@scenario("cancel of a task that is done says false")
async def _():
    task = create_task(value(0, 1))
    await task
    log(task.cancel(), task.cancelled(), task.result())


@scenario("a task that cancels itself gets it at its next wait")
async def _():
    async def body():
        log(current_task().cancel("self"))
        log("goes on")
        try:
            await sleep(1)
        except CancelledError as error:
            log(error)
            raise

    log(await failure_of(create_task(body())))


@scenario("a task that cancels itself and returns ends cancelled")
async def _():
    async def body():
        current_task().cancel()
        return 1

    task = create_task(body())
    log(await failure_of(task), task.cancelled())


@scenario("a task that swallows the cancellation ends with its value")
async def _():
    task = create_task(stubborn("a", 1))
    await sleep(0)
    task.cancel()
    log(await task, task.cancelled(), task.cancelling())


@scenario("a task that answers the cancellation with a failure fails")
async def _():
    async def body():
        try:
            await sleep(3600)
        except CancelledError:
            raise Failure("instead") from None

    task = create_task(body())
    await sleep(0)
    task.cancel()
    log(await failure_of(task), task.cancelled())


@scenario("cancel passes on to what the task awaits, and comes back")
async def _():
    inner = create_task(park("inner"))

    async def outer():
        try:
            await inner
        except CancelledError as error:
            log("outer", error)
            raise

    task = create_task(outer())
    await sleep(0.1)
    task.cancel("stop")
    log(await failure_of(task), inner.cancelled(), inner.cancelling())


@scenario("a cancelled outer task gets the value of an inner one that refuses")
async def _():
    inner = create_task(stubborn("inner", 1))

    async def outer():
        result = await inner
        log("outer got", result, current_task().cancelling())
        return result

    task = create_task(outer())
    await sleep(0.1)
    task.cancel()
    log(await task, task.cancelled())


@scenario("cancel of one of two waiters cancels the task, and so reaches the other")
async def _():
    task = create_task(park("task"))

    async def waiter(name):
        error = await failure_of(task)
        log(name, error)

    a = create_task(waiter("a"))
    b = create_task(waiter("b"))
    await sleep(0)
    await sleep(0)
    a.cancel("stop")
    await a
    await b
    log(task.cancelled())


@scenario("uncancel counts down to zero and no further")
async def _():
    task = create_task(stubborn("a", 1))
    await sleep(0)
    task.cancel()
    task.cancel()
    log(task.uncancel(), task.uncancel(), task.uncancel(), task.cancelling())
    log(await task)


@scenario("cleanup may wait while the cancellation passes")
async def _():
    async def body():
        try:
            await sleep(3600)
        except CancelledError:
            log("cleans")
            await sleep(1)
            log("clean")
            raise

    task = create_task(body())
    await sleep(0.5)
    task.cancel()
    log(await failure_of(task))


@scenario("a second cancel interrupts the cleanup")
async def _():
    async def body():
        try:
            await sleep(3600)
        except CancelledError:
            error = await failure_of(sleep(1))
            log("cleanup", error)
            raise

    task = create_task(body())
    await sleep(0.5)
    task.cancel("first")
    await sleep(0.5)
    task.cancel("second")
    log(await failure_of(task), task.cancelling())


@scenario("done callbacks run on the turn after the end, in their order")
async def _():
    task = create_task(value(0.1, 3))
    task.add_done_callback(lambda t: log("first", t.result()))
    task.add_done_callback(lambda t: log("second", t.done()))
    log(await task)
    await sleep(0)
    log("later")


@scenario("a done callback of a task that is done comes on the next turn")
async def _():
    task = create_task(value(0, 3))
    await task
    task.add_done_callback(lambda t: log("called"))
    log("added")
    await sleep(0)
    log("later")


@scenario("result and exception before the end are InvalidStateError")
async def _():
    task = create_task(value(0.1, 3))
    for call in (task.result, task.exception):
        try:
            call()
        except Exception as error:
            log(error)
    await task


@scenario("result and exception of a cancelled task throw")
async def _():
    task = create_task(park("a"))
    await sleep(0)
    task.cancel("why")
    log(await failure_of(task))
    for call in (task.result, task.exception):
        try:
            call()
        except BaseException as error:
            log(type(error).__name__)


@scenario("a task that awaits itself gets an error and goes on")
async def _():
    tasks = []

    async def body():
        log(await failure_of(tasks[0]))
        return "alive"

    tasks.append(create_task(body()))
    log(await tasks[0])


@scenario("sleep: zero and less let the others run once")
async def _():
    other = create_task(steps("other", 3))
    await sleep(0)
    log("zero")
    await sleep(-1)
    log("less")
    await other


@scenario("sleep: equal deadlines end in the order of their beginning")
async def _():
    async def sleeper(name):
        await sleep(0.25)
        log(name)

    tasks = [create_task(sleeper(name)) for name in "abcde"]
    for task in tasks:
        await task


@scenario("sleep: gives its result")
async def _():
    log(await sleep(0.01, "here"))
    log(await sleep(0, 5))


@scenario("the end of main cancels what is left, and waits for its cleanup")
async def _():
    async def left():
        try:
            await sleep(3600)
        except CancelledError as error:
            log("left", error)
            await sleep(2)
            log("left cleaned")
            raise

    create_task(left())
    await sleep(1)
    log("main ends")


@scenario("what is ready when main ends")
async def _():
    create_task(steps("ready", 1))
    log("main ends")


@scenario("an exception in the cleanup of what is left goes to the handler")
async def _():
    async def left():
        try:
            await sleep(3600)
        except CancelledError:
            raise Failure("in cleanup") from None

    task = create_task(left())
    await sleep(0)
    log("main ends")


@scenario("what is left and refuses to be cancelled is waited for")
async def _():
    async def left():
        try:
            await sleep(3600)
        except CancelledError:
            log("refuses")
        await sleep(1)
        log("finished")

    create_task(left())
    await sleep(0)


@scenario("main that fails fails the run, after what is left was cancelled")
async def _():
    create_task(park("left"))
    await sleep(0)
    raise Failure("main")


if __name__ == "__main__":
    main()
